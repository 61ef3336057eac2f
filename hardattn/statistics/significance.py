"""How surprising a difference is, and how many of many are so by chance.

Values are over training seeds, paired: both runs of a pair have the same seed.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike


def chance_of(a: ArrayLike, b: ArrayLike) -> float:
    """The chance of a mean of a - b as far from 0, were it 0: Student's t of pairs, two-sided.

    Pairs that all differ by one and the same number are certain, chance 0, or alike, 1. One pair
    alone says nothing, 1. ValueError: other shapes than (n,) twice, or values that are not finite.
    """
    one, other = np.asarray(a, float), np.asarray(b, float)
    if one.ndim != 1 or one.shape != other.shape or not one.size:
        raise ValueError(f"pairs are two lists of one length, not {one.shape} and {other.shape}")
    gap = one - other
    if not np.isfinite(gap).all():
        raise ValueError("a value of a pair is not finite")
    count = len(gap)
    if count == 1:
        return 1.0
    error = float(gap.std(ddof=1)) / math.sqrt(count)
    if error <= 1e-12 * max(1.0, float(np.abs(gap).max())):
        return float(abs(gap.mean()) <= 1e-12)
    return beyond(float(gap.mean()) / error, count - 1)


def beyond(t: float, freedom: int) -> float:
    """The mass of Student's t, for whole `freedom` >= 1, that is farther from 0 than t.

    The finite sums of Abramowitz and Stegun, 26.7.3 and 26.7.4.
    """
    angle = math.atan2(abs(t), math.sqrt(freedom))
    sine, square = math.sin(angle), math.cos(angle) ** 2
    odd = freedom % 2
    term = math.cos(angle) if odd else 1.0
    total = 0.0
    for number in range(freedom // 2):
        total += term
        # From cos^j to cos^(j + 2), j odd where the freedom is.
        step = 2 * number + 2 if odd else 2 * number + 1
        term *= square * step / (step + 1)
    within = 2 / math.pi * (angle + sine * total) if odd else sine * total
    return max(0.0, 1.0 - within)


def holm(chances: Sequence[float]) -> list[float]:
    """The same, so that the chance of any false finding among all of them is the bound chosen.

    Holm (1979): the smallest times their number, the next times one less, and none below one before
    it. In the order in which they came.
    """
    adjusted = [0.0] * len(chances)
    least = 0.0
    for rank, at in enumerate(sorted(range(len(chances)), key=lambda at: chances[at])):
        least = max(least, min(1.0, (len(chances) - rank) * chances[at]))
        adjusted[at] = least
    return adjusted
