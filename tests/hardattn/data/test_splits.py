from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from hardattn.data import Split, stratified_split, subsample
from hardattn.data.splits import deal_by_content, interleaved

HASH = st.integers(0, 2**64 - 1)
SHARES = (0.2, 0.2)
Images = list[tuple[int, int]]  # class and hash of the content


def dealt(labels: list[int], content: list[int], *shares: float) -> np.ndarray:
    """(N,) the part of each image; 0 is what remains."""
    parts = deal_by_content(np.array(labels), np.array(content, np.uint64), *shares)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(labels)))
    where = np.zeros(len(labels), int)
    for number, part in enumerate(parts):
        where[part] = number
        assert (np.diff(np.array(content, np.uint64)[part].astype(object)) >= 0).all()
    return where


# A class may have a handful of images whose hashes all lie in one share.
NEAR = st.one_of(HASH, st.integers(0, 2**61), st.integers(2**62, 2**62 + 2**60))


@given(st.lists(st.tuples(st.integers(0, 3), NEAR), min_size=1, max_size=60), st.integers(0, 2))
@settings(max_examples=300, deadline=None)
def test_floors_hold_for_every_handful(images: list[tuple[int, int]], count: int) -> None:
    labels, content = map(list, zip(*images, strict=True))
    where = dealt(labels, content, *SHARES[:count])
    assert set(np.array(labels)[where == 0]) == set(labels)  # no class is missing in training
    for kind in set(content):  # copies are together, whatever they are called
        assert len(set(where[np.array(content, object) == kind])) == 1
    if len(set(content)) < len(content):
        return
    if len(content) >= len(set(labels)) + count:
        assert set(where) == set(range(1 + count))
    for label in set(labels):
        own = where[np.array(labels) == label]
        if len(own) > count:
            assert set(own) == set(range(1 + count))


MORE = st.lists(
    st.tuples(st.integers(0, 5), NEAR), min_size=0, max_size=30, unique_by=lambda x: x[1]
)
# One of each class in each part, which no other image has to be lent to.
ENOUGH = [(label, at * 2**60 + label) for label in range(6) for at in (1, 5, 9)]
TRAINED = [(label, at * 2**60 + label) for label in range(6) for at in (9, 10, 11)]


def grown(few: Images, more: Images, random: Any) -> list[tuple[int, int]]:
    """For each of a few images its part, and its part when there are more."""
    before = dict(zip(few, dealt(*map(list, zip(*few, strict=True)), *SHARES), strict=True))
    every = list(dict.fromkeys(few + more))
    random.shuffle(every)
    after = dict(zip(every, dealt(*map(list, zip(*every, strict=True)), *SHARES), strict=True))
    return [(before[image], after[image]) for image in few]


@given(MORE, MORE, st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_more_images_move_none(few: Images, more: Images, random: Any) -> None:
    few = list(dict.fromkeys(ENOUGH + few))
    assert all(before == after for before, after in grown(few, more, random))


@given(MORE, st.integers(0, 30), st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_more_images_hold_out_none_that_was_trained_on(
    images: Images, count: int, random: Any
) -> None:
    """Even where some were lent: of classes of three and more, one for training by itself."""
    few = list(dict.fromkeys([*TRAINED, *images[:count]]))
    assert all(before != 0 or after == 0 for before, after in grown(few, images[count:], random))


def test_shares_are_near_those_asked_for() -> None:
    rng = np.random.default_rng(0)
    content = rng.integers(0, 2**64, 20_000, dtype=np.uint64)
    labels = np.arange(20_000) % 4
    counts = [np.bincount(labels[part]) for part in deal_by_content(labels, content, 0.1, 0.3)]
    for count, share in zip(counts, (0.6, 0.1, 0.3), strict=True):
        # Five standard deviations of a share of 5,000.
        assert np.abs(count - 5000 * share).max() < 5 * np.sqrt(5000 * share * (1 - share))


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60))
def test_classes_take_turns(labels: list[int]) -> None:
    order = interleaved(np.array(labels))
    assert sorted(order.tolist()) == list(range(len(labels)))
    rest = [labels[index] for index in order]
    for label in set(labels):
        own = [index for index in order if labels[index] == label]
        assert own == sorted(own)
    while rest:  # one of each class that is left, then again
        kinds = len(set(rest))
        assert len(set(rest[:kinds])) == kinds
        rest = rest[kinds:]


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=200),
    st.lists(st.sampled_from([0.1, 0.2, 0.3]), min_size=0, max_size=3),
)
@settings(max_examples=60, deadline=None)
def test_deal_is_a_partition_with_each_class_in_each_share(labels, shares):
    labels = np.array(labels)
    parts = stratified_split(labels, *shares)
    assert len(parts) == 1 + len(shares)
    assert sorted(np.concatenate(parts)) == list(range(len(labels)))
    for label, count in zip(*np.unique(labels, return_counts=True), strict=True):
        for part, share in zip(parts[1:], shares, strict=True):
            here = int((labels[part] == label).sum())
            if count >= 10:
                assert here == max(1, round(share * count))
        if count > len(shares) and count < 5:
            assert all((labels[part] == label).any() for part in parts)


def numbered(labels):
    """Images that are their own numbers."""
    return Split(torch.arange(len(labels)).view(-1, 1, 1, 1), torch.tensor(labels))


def test_fewer_is_stratified_nested_and_fixed_by_the_seed():
    split = numbered([0] * 32 + [2] * 20 + [1] * 3)
    before = set()
    for share, counts in (
        (1 / 16, [2, 1, 2]),
        (0.1, [4, 1, 2]),
        (0.5, [16, 2, 10]),
        (1, [32, 3, 20]),
    ):
        part = subsample(split, share, seed=4)
        assert part.labels.bincount().tolist() == counts
        images = part.images.flatten().tolist()
        assert images == sorted(images) and before <= set(images)
        assert torch.equal(part.labels, split.labels[images])
        before = set(images)
    some = [subsample(split, 0.25, seed).images.flatten().tolist() for seed in (4, 4, 5)]
    assert some[0] == some[1] != some[2]
    assert torch.equal(subsample(split, 1, 0).images, split.images)


def test_shares_that_are_whole_numbers_are_not_rounded_up():
    split = numbered([0] * 30 + [1] * 70)
    assert subsample(split, 0.1, 0).labels.bincount().tolist() == [3, 7]


@pytest.mark.parametrize("share", [0, -0.1, 1.01, float("nan")])
def test_no_such_share(share):
    with pytest.raises(ValueError, match="share"):
        subsample(numbered([0, 1]), share, 0)
