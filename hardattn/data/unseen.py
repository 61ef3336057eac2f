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


def dealt(split: Split, classes: int, held_out: int, seed: int, least: int) -> Dealt:
    """The images of a split that are of the classes of its part; computed once for a split.

    least: how many classes there must be. A split that is no part of a dataset shows all of its
    classes. Raises ValueError where there are fewer classes.
    """
    known = split.__dict__.setdefault("dealt", {})
    key = classes, held_out, seed
    if key not in known:
        known[key] = _dealt(split, classes, held_out, seed)
    found: Dealt = known[key]
    if found.classes < least:
        where = f"the {split.part} split" if split.part else "the split"
        raise ValueError(
            f"{where} has images of {found.classes} classes with held_out={held_out}, and {least} "
            "are needed at least: ask for fewer, hold out another number, or take a dataset of "
            "more classes"
        )
    return found


def _dealt(split: Split, classes: int, held_out: int, seed: int) -> Dealt:
    labels = split.labels
    whole = tuple(range(classes))
    kept = deal(classes, held_out, seed)[split.part] if split.part else whole
    own = torch.zeros(classes, dtype=torch.bool)
    own[list(kept)] = True
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
