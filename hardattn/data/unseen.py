"""Classes that training never shows: which classes each part of a dataset has, and its images.

Who is tested on classes of which no image was seen in training has to have learned to compare, not
to recognise. So the classes are dealt to training, validation and test, and a split shows those of
its own part alone: `Split.part` says which that is, so that nobody can mistake one for another.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from hardattn.data.splits import PARTS, Split


class Dealt(NamedTuple):
    """The images of a split whose classes are those of its part, class by class."""

    order: Tensor  # (n,) which they are
    size: Tensor  # (K,) how many a class has; 0 of one that is not of this part
    before: Tensor  # (K,) how many are of the classes before it
    rank: Tensor  # (N,) the number of an image within its class
    stand_in: Tensor  # (N,) each image; for one of another part's class, one of this part's
    classes: int  # how many have images


def deal(classes: int, held_out: int, seed: int = 0) -> dict[str, tuple[int, ...]]:
    """Which classes each part of a dataset has: no class is in two of them.

    held_out: how many validation has, and how many the test has; training has all others. 0: every
    part has all classes. seed: of the order in which they are dealt. Raises ValueError where none
    is left for training.
    """
    if not held_out:
        return dict.fromkeys(PARTS, tuple(range(classes)))
    left = classes - 2 * held_out
    if held_out < 0 or left < 1:
        raise ValueError(
            f"held_out={held_out}: so many classes for validation, and as many for the test, leave "
            f"{left} of {classes} for training; hold out fewer"
        )
    order = torch.randperm(classes, generator=torch.Generator().manual_seed(seed)).tolist()
    ends = (0, left, left + held_out, classes)
    return {
        part: tuple(sorted(order[start:end]))
        for part, start, end in zip(PARTS, ends[:-1], ends[1:], strict=True)
    }


def turned(split: Split, classes: int) -> Split:
    """The split with its images a quarter turn to the left behind them, (2 N, C, H, H); once.

    These are of classes of their own, the first of which is number `classes`, as rotated characters
    are in few-shot learning (Santoro et al. 2016, arXiv:1605.06065): twice as many to learn to
    compare from. Not by half a turn: that of a 6 is a 9, of another part perhaps. Raises ValueError
    for images that are not square.
    """
    if "turned" not in split.__dict__:
        images = split.stacked
        if images.shape[2] != images.shape[3]:
            height, width = images.shape[2:]
            raise ValueError(f"only square images can be turned, not {height}x{width}: turn none")
        both = torch.cat([images, images.rot90(1, (2, 3))])
        labels = torch.cat([split.labels, split.labels + classes])
        split.__dict__["turned"] = Split(both, labels, part=split.part)
    found: Split = split.__dict__["turned"]
    return found


def dealt(
    split: Split, classes: int, held_out: int, seed: int, least: int, turns: bool = False
) -> Dealt:
    """The images of a split that are of the classes of its part; computed once for a split.

    least: how many classes there must be. turns: whether the split is `turned`, so that there are
    twice as many; a class and the same turned are of one part. A split that is no part of a dataset
    shows all of its classes. Raises ValueError where there are fewer classes.
    """
    known = split.__dict__.setdefault("dealt", {})
    key = classes, held_out, seed, turns
    if key not in known:
        known[key] = _dealt(split, *key)
    found: Dealt = known[key]
    if found.classes < least:
        where = f"the {split.part} split" if split.part else "the split"
        raise ValueError(
            f"{where} has images of {found.classes} classes with held_out={held_out}, and {least} "
            "are needed at least: ask for fewer, hold out another number, or take a dataset of "
            "more classes"
        )
    return found


def _dealt(split: Split, classes: int, held_out: int, seed: int, turns: bool) -> Dealt:
    labels = split.labels
    whole = tuple(range(classes))
    kept = deal(classes, held_out, seed)[split.part] if split.part else whole
    own = torch.zeros(classes, dtype=torch.bool)
    own[list(kept)] = True
    if turns:
        own, classes = own.repeat(2), 2 * classes
    mine = own.to(labels.device)[labels]
    order = labels.argsort(stable=True)
    order = order[mine[order]]
    size = torch.bincount(labels[mine], minlength=classes)
    before = size.cumsum(0) - size
    number = torch.arange(len(labels), device=labels.device)
    rank = torch.zeros_like(labels)
    rank[order] = number[: len(order)] - before[labels[order]]
    stand_in = number
    if len(order):
        # The images of other classes in turn are those of its own, as they come in the split.
        ours = mine.nonzero()[:, 0]
        stand_in = torch.where(mine, number, ours[((~mine).cumsum(0) - 1) % len(ours)])
    return Dealt(order, size, before, rank, stand_in, int((size > 0).sum()))
