"""Curves of validation errors: what they had come to when a training ended."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

QUARTER = 0.76  # of a training; validations fall between updates, so not on the point
FALLING, LEAST = 0.2, 0.01  # by what share an error must fall to be falling; by how much at least


class LastQuarter(NamedTuple):
    """Validation errors when a last quarter of the training was left, and at its end."""

    before: float
    end: float

    @property
    def fell(self) -> float:
        """By how much, below 0 where it fell."""
        return self.end - self.before

    @property
    def falling(self) -> bool:
        """Whether it fell so much that more training may change it: a fifth, a point at least."""
        return -self.fell > max(LEAST, FALLING * self.before)


def last_quarter(curves: Iterable[Sequence[Sequence[float]]]) -> LastQuarter | None:
    """Of curves of (images, error), one a seed, the mean over seeds.

    None where no curve has a point before its last quarter.
    """
    pairs = []
    for curve in curves:
        before = [error for images, error in curve if images <= QUARTER * curve[-1][0]]
        if before:
            pairs.append((before[-1], curve[-1][1]))
    if not pairs:
        return None
    befores, ends = zip(*pairs, strict=True)
    return LastQuarter(sum(befores) / len(pairs), sum(ends) / len(pairs))
