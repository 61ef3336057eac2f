from typing import Any

import numpy as np
from hypothesis import given, settings, strategies as st

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
