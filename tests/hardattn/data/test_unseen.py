"""Classes of one part of a dataset are no classes of another, wherever its splits go."""

import pytest
import torch

from hardattn.data import Dataset, Split, load, subsample
from hardattn.data.splits import PARTS
from hardattn.data.unseen import deal, dealt
from hardattn.envs.episodes import split_of


@pytest.mark.parametrize("classes, held_out, seed", [(10, 3, 0), (10, 3, 1), (7, 1, 5), (3, 1, 0)])
def test_no_class_is_dealt_twice_and_each_once(classes: int, held_out: int, seed: int) -> None:
    parts = deal(classes, held_out, seed)
    assert list(parts) == list(PARTS)
    assert sorted(one for part in parts.values() for one in part) == list(range(classes))
    assert [len(parts[part]) for part in PARTS] == [classes - 2 * held_out, held_out, held_out]
    assert parts == deal(classes, held_out, seed)


def test_another_seed_deals_otherwise_and_nothing_held_out_is_all_for_all() -> None:
    assert len({str(deal(10, 3, seed)) for seed in range(8)}) == 8
    assert deal(4, 0) == dict.fromkeys(PARTS, (0, 1, 2, 3))


def test_a_split_knows_which_part_it_is_wherever_it_goes() -> None:
    digits = load("digits")
    for part in PARTS:
        split = getattr(digits, part)
        assert split.part == split.to("cpu").part == subsample(split, 0.5, 0).part == part
        assert split_of("digits", part).part == split_of("digits", part).to("cpu").part == part
    one = Split(torch.zeros(3, 1, 2, 2, dtype=torch.uint8), torch.arange(3))
    mine = Dataset("mine", one, one, one, ("a", "b", "c"))
    assert [getattr(mine, part).part for part in PARTS] == list(PARTS) and one.part == ""
    assert mine.test.images is one.images
    named = Dataset("mine", mine.train, one, one, ("a", "b", "c"))
    assert named.train is mine.train and named.fingerprint == mine.fingerprint


def test_what_a_split_shows_is_of_its_own_classes() -> None:
    digits, classes = load("digits"), deal(10, 3, 2)
    for part in PARTS:
        split = getattr(digits, part)
        own = dealt(split, 10, 3, 2, least=2)
        labels = split.labels
        assert set(labels[own.order].tolist()) == set(classes[part])
        mine = torch.isin(labels, torch.tensor(classes[part]))
        assert own.order.sort().values.tolist() == mine.nonzero()[:, 0].tolist()
        assert own.classes == len(classes[part]) and int(own.size.sum()) == int(mine.sum())
        # An image of its own stands for itself; the others' places go round among these.
        number = torch.arange(len(split))
        assert torch.equal(own.stand_in[mine], number[mine]) and mine[own.stand_in].all()
        times = own.stand_in.bincount(minlength=len(split))[mine]
        assert times.max() - times.min() <= 1
        # The rank of an image is its place among those of its class.
        at = own.before[labels[mine]] + own.rank[mine]
        assert torch.equal(own.order[at], number[mine])
        assert dealt(split, 10, 3, 2, least=2) is own


def test_what_cannot_be_dealt_is_refused_in_a_line() -> None:
    with pytest.raises(ValueError, match="leave -2 of 10 for training; hold out fewer"):
        deal(10, 6)
    with pytest.raises(ValueError, match="held_out=-1"):
        deal(10, -1)
    with pytest.raises(ValueError, match="the test split has images of 3 classes with held_out=3"):
        dealt(load("digits").test, 10, 3, 0, least=5)
    alike = Split(torch.zeros(3, 1, 2, 2, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ValueError, match="the split has images of 1 classes"):
        dealt(alike, 10, 3, 0, least=2)
