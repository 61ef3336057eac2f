"""Statistics over training seeds and test images at once, and over several tasks.

Every trained agent of a recipe answers the same test images, so errors are a table of seeds by
images, and another run on other images would differ in both.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from hardattn.statistics.intervals import Estimate, student_t
from hardattn.statistics.significance import beyond

RESAMPLES = 4_000
MOST = 4_000_000  # numbers that are drawn at a time


def two_way_interval(
    values: ArrayLike, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """The mean of (seeds, images) values, and its interval over both: the two-way bootstrap.

    Seeds and images are each drawn again, with replacement, and crossed (Owen 2007, "The pigeonhole
    bootstrap", arXiv:0712.1111), which errs towards too wide. Of few seeds a percentile would be
    too narrow all the same, so the spread of what is drawn is taken as a standard error, with n /
    (n - 1) for the n seeds, and the quantile is Student's t of as few (as Hesterberg 2015,
    arXiv:1411.5279, widens percentiles). One seed has no interval. Raises ValueError for what is no
    such table, or not finite.
    """
    table = _table(values)
    seeds, images = table.shape
    point = float(table.mean())
    if seeds == 1:
        return Estimate(point, None, None, 1, "none")
    rng = np.random.default_rng(seed)
    drawn = np.empty(resamples)
    step = max(1, MOST // images)
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        of_seeds = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=rows)
        of_images = rng.multinomial(images, np.full(images, 1 / images), size=rows)
        again = np.einsum("rs,rs->r", of_seeds, of_images @ table.T)
        drawn[start : start + rows] = again / (seeds * images)
    error = float(drawn.std()) * math.sqrt(seeds / (seeds - 1))
    half = student_t((1 + level) / 2, seeds - 1) * error if error else 0.0
    return Estimate(point, point - half, point + half, seeds, "bootstrap")


def two_way_difference(
    a: ArrayLike, b: ArrayLike, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """The mean of a - b, (seeds, images) each: of the same images, and of seeds that are paired."""
    return two_way_interval(_gap(a, b), level, resamples, seed)


def two_way_chance(a: ArrayLike, b: ArrayLike) -> float:
    """The chance of a mean of a - b as far from 0, were it 0, over seeds and images, two-sided.

    Student's t of seeds - 1 degrees of freedom, of the mean over its standard error; the square of
    that is the variance of the means of seeds over their number plus that of the means of images
    over theirs, a bound from above, as both hold the noise of single answers. One seed says
    nothing, 1.
    """
    gap = _gap(a, b)
    seeds, images = gap.shape
    if seeds == 1:
        return 1.0
    square = gap.mean(1).var(ddof=1) / seeds
    if images > 1:
        square += gap.mean(0).var(ddof=1) / images
    mean, error = float(gap.mean()), math.sqrt(float(square))
    if error <= 1e-12:
        return float(abs(mean) <= 1e-12)
    return beyond(mean / error, seeds - 1)


def performance_profile(errors: Sequence[ArrayLike], levels: Sequence[float]) -> list[float]:
    """For each level the share of runs whose error is at most that, each task counting alike.

    (Dolan and More 2002; of runs, Agarwal et al. 2021, arXiv:2108.13264.) errors: of each task
    those of its seeds. Raises ValueError where a task has none.
    """
    if not errors or any(np.size(one) == 0 for one in errors):
        raise ValueError("a profile needs the errors of at least one run of each task")
    return [
        float(np.mean([np.mean(np.asarray(one, float) <= level) for one in errors]))
        for level in levels
    ]


def at_budget(
    points: Sequence[tuple[float, float]], budget: float, start: float | None = None
) -> float | None:
    """The error of the last of (spent, error) points within a budget: what one would have had.

    start: of an untrained agent, for budgets that end before the first point.
    """
    within = [error for spent, error in sorted(points) if spent <= budget * (1 + 1e-9)]
    return within[-1] if within else start


def _gap(a: ArrayLike, b: ArrayLike) -> np.ndarray:
    one, other = _table(a), _table(b)
    if one.shape != other.shape:
        raise ValueError(f"a pair wants one shape, not {one.shape} and {other.shape}")
    return one - other


def _table(values: ArrayLike) -> np.ndarray:
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or not table.size or not np.isfinite(table).all():
        raise ValueError(f"wanted finite (seeds, images) values, not a shape of {table.shape}")
    return table
