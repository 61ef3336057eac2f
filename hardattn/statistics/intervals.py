"""Intervals: over training seeds, and for a single trained seed over test images.

The unit is the training seed: what another run of the same recipe would have given. A value that
was measured once has no interval. Nothing here knows of tables or files.
"""

import functools
import math
from collections.abc import Callable
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

Statistic = Callable[[np.ndarray], np.ndarray]  # reduces the last axis, keeps the others

FEW = 8  # below so many seeds the bootstrap misses too often, see `bootstrap_interval`


class Estimate(NamedTuple):
    """A number, its interval, and what the interval rests on."""

    point: float
    low: float | None  # None where there is no interval: one unit only
    high: float | None
    n: int  # how many units
    method: str  # "student-t", "trimmed-t", "bootstrap", "score", "quartiles" or "none"
    unit: str = "seed"

    def __str__(self) -> str:
        count = f"({self.n} {self.unit}{'' if self.n == 1 else 's'})"
        if self.low is None or self.high is None:
            return f"{self.point:.4g} {count}"
        return f"{self.point:.4g} [{self.low:.4g}, {self.high:.4g}] {count}"


def mean(values: np.ndarray) -> np.ndarray:
    """Arithmetic mean over the last axis."""
    return np.asarray(values).mean(-1)


def interquartile_mean(values: np.ndarray) -> np.ndarray:
    """IQM over the last axis: a quarter of the values, rounded down, is left out at either end.

    As scipy.stats.trim_mean(.25) and Agarwal et al. (2021, arXiv:2108.13264).
    """
    ordered = np.sort(values, -1)
    n, cut = ordered.shape[-1], ordered.shape[-1] // 4
    return ordered[..., cut : n - cut].mean(-1)


def bootstrap_interval(
    values: ArrayLike,
    statistic: Statistic = mean,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Estimate:
    """A statistic of what several training seeds gave, and its interval, by seed count.

    values: (seeds,), or (tasks, seeds) that the statistic pools; seeds are resampled within each
    task (stratified; Agarwal et al. 2021, arXiv:2108.13264).

    The plain percentile bootstrap is too narrow: its 95 % interval for the mean of normal values
    holds the truth 75 % of the time at 3 seeds, 84 % at 5, 90 % at 10. So:

    - fewer than 8 seeds: for the mean Student's t (tasks: Satterthwaite's degrees of freedom, as
      Welch has them), for the interquartile mean of one task the trimmed t of Yuen (1974,
      Biometrika 61:165).
    - else, and for any other statistic: percentiles of the bootstrap moved outwards so that the
      interval would be Student's t were the bootstrap normal (Hesterberg 2015, arXiv:1411.5279,
      "expanded percentile"). Below 8 seeds of one task it is still too narrow.

    For 3 to 20 seeds these hold the truth 94 to 97 % of the time when values are normal; when they
    are skewed less often, 88 % for the mean of 3 exponential values (tests/hardattn/test_stats.py).

    One seed has no interval. ValueError: no values, or one that is not finite, by its index.
    """
    table = _table(values)
    _check_level(level)
    tasks, n = table.shape
    pooled = table.reshape(-1)
    point = float(statistic(pooled))
    if n == 1:
        return Estimate(point, None, None, 1, "none")
    if n < FEW and statistic is mean:
        return Estimate(point, *_around(point, *_welch(table), level), n, "student-t")
    if n < FEW and tasks == 1 and statistic is interquartile_mean:
        return Estimate(point, *_around(point, *_yuen(pooled), level), n, "trimmed-t")
    rng = np.random.default_rng(seed)
    drawn = rng.integers(n, size=(resamples, tasks, n))
    again = np.take_along_axis(table[None], drawn, -1).reshape(resamples, -1)
    low, high = _expanded_percentiles(statistic(again), n, tasks * (n - 1), level)
    return Estimate(point, low, high, n, "bootstrap")


def quartiles(values: ArrayLike) -> Estimate:
    """The median, and between which values the middle half lies: of a cost.

    Of fewer than three there are no quartiles. Errors as `bootstrap_interval`.
    """
    found = _table(values).reshape(-1)
    low, middle, high = (float(np.quantile(found, share)) for share in (0.25, 0.5, 0.75))
    if len(found) < 3:
        return Estimate(middle, None, None, len(found), "none")
    return Estimate(middle, low, high, len(found), "quartiles")


def within(least: float, most: float, found: Estimate) -> Estimate:
    """The same, its interval cut off at what the values themselves cannot pass.

    Student's t knows nothing of such borders: of a share they are 0 and 1, of a difference of
    shares -1 and 1.
    """
    if found.low is None or found.high is None:
        return found
    low, high = (min(max(border, least), most) for border in (found.low, found.high))
    return found._replace(low=low, high=high)


def paired_difference(
    a: ArrayLike,
    b: ArrayLike,
    statistic: Statistic = mean,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Estimate:
    """A statistic of a - b, where both were run with the same seeds in the same order.

    Shapes, errors and interval are those of `bootstrap_interval`.
    """
    first, second = _pair(a, b)
    return bootstrap_interval(first - second, statistic, level, resamples, seed)


def unpaired_difference(a: ArrayLike, b: ArrayLike, level: float = 0.95) -> Estimate:
    """The mean of a less that of b, of runs whose seeds have nothing in common (Welch 1947).

    a, b: (seeds,), at least two of each. n: the smaller number of seeds. Errors as
    `bootstrap_interval`.
    """
    _check_level(level)
    parts = [_table(one).reshape(-1) for one in (a, b)]
    counts = [len(one) for one in parts]
    if min(counts) < 2:
        raise ValueError(f"an interval needs two seeds of each, not {counts[0]} and {counts[1]}")
    squares = [float(one.var(ddof=1)) / len(one) for one in parts]
    error = math.sqrt(sum(squares))
    terms = sum(one**2 / (n - 1) for one, n in zip(squares, counts, strict=True))
    freedom = sum(squares) ** 2 / terms if terms else float(min(counts) - 1)
    point = float(parts[0].mean() - parts[1].mean())
    return Estimate(point, *_around(point, error, freedom, level), min(counts), "welch")


def probability_of_improvement(a: ArrayLike, b: ArrayLike, level: float = 0.95) -> Estimate:
    """How often a run of a beats a run of b, ties counted half, averaged over tasks.

    a: (seeds,) or (tasks, seeds), b: the same tasks, any number of seeds; runs are not paired. The
    point is the Mann-Whitney U over the number of pairs, as in Agarwal et al. (2021,
    arXiv:2108.13264). Their bootstrap interval has no width where every run of a beats every run
    of b, however few they are; this is the score interval of Newcombe (2006, Statistics in Medicine
    25(4):559, method 5), which has. Several tasks count as independent and of one probability,
    which is wide where they differ. n: the smaller number of seeds.
    """
    first, second = _table(a), _table(b)
    _check_level(level)
    if len(first) != len(second):
        raise ValueError(f"a has {len(first)} tasks and b has {len(second)}")
    ahead = np.sign(first[:, :, None] - second[:, None, :])
    point = float(ahead.mean() + 1) / 2
    tasks, m, n = ahead.shape
    if min(m, n) == 1:
        return Estimate(point, None, None, 1, "none")
    z, others = _normal(level), (m + n) / 2 - 1

    def outside(chance: float) -> bool:
        spread = 1 + others * ((1 - chance) / (2 - chance) + chance / (1 + chance))
        variance = chance * (1 - chance) * spread / (m * n * tasks)
        return (point - chance) ** 2 > z * z * variance

    low, high = _border(outside, 0.0, point), _border(outside, 1.0, point)
    return Estimate(point, low, high, min(m, n), "score")


def cluster_interval(
    values: ArrayLike,
    cluster: ArrayLike,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
    unit: str = "image",
) -> Estimate:
    """The mean over test scenes of one trained agent, and its interval over base images.

    values, cluster: (M,), cluster the base image that each scene was made from (`Scenes.index`).
    Scenes of one image are alike, so whole images are resampled. It says how the same weights
    would do on other test images, nothing about another training seed; where all values are equal
    it has no width. Percentiles as in `bootstrap_interval`; n counts images, named `unit`.
    """
    table = _table(values)
    _check_level(level)
    names = np.asarray(cluster)
    if len(table) > 1 or names.shape != table.shape[1:]:
        raise ValueError(f"{np.shape(values)} values do not go with {names.shape} clusters")
    which = np.unique(names, return_inverse=True)[1]
    sizes = np.bincount(which).astype(float)
    sums = np.bincount(which, weights=table[0])
    point, n = float(table[0].mean()), len(sizes)
    if n == 1:
        return Estimate(point, None, None, 1, "none", unit)
    # Clusters of equal sum and size cannot be told apart, and right-or-wrong leaves few kinds:
    # how often each kind is drawn has the same distribution as drawing clusters one by one.
    kinds, count = np.unique(np.stack([sums, sizes], 1), axis=0, return_counts=True)
    rng = np.random.default_rng(seed)
    again = np.empty(resamples)
    step = max(1, 2_000_000 // n)
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        if len(kinds) * 16 < n:
            total = rng.multinomial(n, count / n, size=rows) @ kinds
        else:
            drawn = rng.integers(n, size=(rows, n), dtype=np.int32)
            total = np.stack([sums[drawn].sum(1), sizes[drawn].sum(1)], 1)
        again[start : start + rows] = total[:, 0] / total[:, 1]
    low, high = _expanded_percentiles(again, n, n - 1, level)
    return Estimate(point, low, high, n, "bootstrap", unit)


def paired_cluster_difference(
    a: ArrayLike,
    b: ArrayLike,
    cluster: ArrayLike,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
    unit: str = "image",
) -> Estimate:
    """The mean of a - b, two agents measured on the same scenes; the rest as `cluster_interval`."""
    first, second = _pair(a, b)
    return cluster_interval((first - second)[0], cluster, level, resamples, seed, unit)


@functools.cache
def student_t(chance: float, freedom: float) -> float:
    """The quantile of Student's t at `chance`, for `freedom` >= 1, whole or not.

    Six digits for chances up to 0.995. With t = sqrt(freedom) tan(angle), the mass between 0 and t
    is an integral of cos(angle)**(freedom - 1), by Gauss-Legendre; the angle is bisected.
    """
    if chance < 0.5:
        return -student_t(1 - chance, freedom)
    nodes, weights = np.polynomial.legendre.leggauss(40)
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(math.pi)

    def beyond(angle: float) -> bool:
        cosines = np.cos(angle * (nodes + 1) / 2)
        return float(weights @ cosines ** (freedom - 1)) * angle / 2 * scale > chance - 0.5

    return math.sqrt(freedom) * math.tan(_border(beyond, math.pi / 2, 0.0))


def _border(outside: Callable[[float], bool], far: float, near: float) -> float:
    """Where `outside` begins between `near`, which is inside, and `far`; bisected to the bit."""
    while True:
        middle = (far + near) / 2
        if middle in (far, near):
            return middle
        if outside(middle):
            far = middle
        else:
            near = middle


def _around(point: float, error: float, freedom: float, level: float) -> tuple[float, float]:
    """Point +- t * standard error."""
    half = student_t((1 + level) / 2, freedom) * error if error else 0.0
    return point - half, point + half


def _welch(table: np.ndarray) -> tuple[float, float]:
    """Standard error of the mean of (tasks, seeds) and Satterthwaite's degrees of freedom."""
    tasks, n = table.shape
    parts = table.var(-1, ddof=1) / (n * tasks**2)
    total = float(parts.sum())
    freedom = total**2 / float((parts**2).sum()) * (n - 1) if total else math.nan
    return math.sqrt(total), freedom


def _yuen(values: np.ndarray) -> tuple[float, float]:
    """Standard error of the interquartile mean, from the winsorised deviation, and its freedom."""
    n, cut = len(values), len(values) // 4
    ordered = np.sort(values)
    winsorised = ordered.clip(ordered[cut], ordered[n - cut - 1])
    kept = n - 2 * cut
    return math.sqrt(float(winsorised.var(ddof=1)) * (n - 1) / (kept * (kept - 1))), kept - 1


def _expanded_percentiles(
    again: np.ndarray, n: int, freedom: float, level: float
) -> tuple[float, float]:
    """Percentiles of (resamples,), at levels widened for n units (Hesterberg 2015)."""
    z = math.sqrt(n / (n - 1)) * student_t((1 + level) / 2, freedom)
    tail = NormalDist().cdf(-z)
    low, high = np.quantile(again, [tail, 1 - tail])
    return float(low), float(high)


def _normal(level: float) -> float:
    return NormalDist().inv_cdf((1 + level) / 2)


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"a level lies between 0 and 1, not at {level}")


def _table(values: ArrayLike) -> np.ndarray:
    """Values as (tasks, seeds) float64, all there and all finite."""
    table = np.asarray(values, dtype=np.float64)
    if table.ndim not in (1, 2) or table.size == 0:
        raise ValueError(f"wanted (seeds,) or (tasks, seeds) values, not a shape of {table.shape}")
    wrong = np.argwhere(~np.isfinite(table))
    if len(wrong):
        index = tuple(wrong[0].tolist())
        where = index[0] if len(index) == 1 else index
        raise ValueError(f"value {where} is {table[index]}")
    return np.atleast_2d(table)


def _pair(a: ArrayLike, b: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    first, second = _table(a), _table(b)
    if np.shape(a) != np.shape(b):
        raise ValueError(f"a pair wants one shape, not {np.shape(a)} and {np.shape(b)}")
    return first, second
