import math

import numpy as np
import pytest
import scipy.stats
import torch

from hardattn.statistics.intervals import (
    Estimate,
    bootstrap_interval,
    cluster_interval,
    interquartile_mean,
    mean,
    paired_cluster_difference,
    paired_difference,
    probability_of_improvement,
    quartiles,
    student_t,
    unpaired_difference,
    within,
)

FIVE = [0.981, 0.985, 0.979, 0.99, 0.984]


def holds(estimate: Estimate, truth: float) -> bool:
    return estimate.low <= truth <= estimate.high


# What it says


def test_quartiles_by_hand() -> None:
    assert quartiles([3.0, 1.0, 2.0, 10.0, 4.0]) == Estimate(3, 2, 4, 5, "quartiles")
    assert quartiles([1.0, 3.0]) == Estimate(2, None, None, 2, "none")
    with pytest.raises(ValueError, match="value 1 is nan"):
        quartiles([1.0, math.nan, 2.0])


def test_an_interval_is_cut_off_where_values_end() -> None:
    found = Estimate(47.7, -52.9, 148.2, 3, "student-t")
    assert within(-100, 100, found) == found._replace(high=100)
    assert within(0, 100, found) == found._replace(low=0, high=100)
    alone = Estimate(5.0, None, None, 1, "none")
    assert within(0, 1, alone) == alone


def test_one_value_has_no_interval():
    for one in (
        bootstrap_interval([0.98]),
        bootstrap_interval([0.98], interquartile_mean),
        paired_difference([0.99], [0.01]),
        bootstrap_interval([[0.97], [0.99]]),
    ):
        assert one.point == pytest.approx(0.98)
        assert one[1:] == (None, None, 1, "none", "seed")
        assert str(one) == "0.98 (1 seed)"
    assert str(probability_of_improvement([2], [1, 0])) == "1 (1 seed)"
    assert str(cluster_interval([1, 0, 1, 1], [7, 7, 7, 7])) == "0.75 (1 image)"


def test_an_interval_says_what_it_rests_on():
    few = bootstrap_interval(FIVE)
    assert (few.n, few.method) == (5, "student-t")
    assert str(few) == "0.9838 [0.9786, 0.989] (5 seeds)"
    assert bootstrap_interval(FIVE, interquartile_mean).method == "trimmed-t"
    assert bootstrap_interval(FIVE + FIVE).method == "bootstrap"
    assert bootstrap_interval(FIVE, lambda x: np.median(x, -1)).method == "bootstrap"
    assert bootstrap_interval([FIVE, FIVE], interquartile_mean).method == "bootstrap"
    assert bootstrap_interval([FIVE, FIVE]).method == "student-t"
    assert probability_of_improvement(FIVE, FIVE).method == "score"
    scenes = cluster_interval([1, 0, 1, 1], [0, 0, 1, 2])
    assert (scenes.n, scenes.unit, scenes.method) == (3, "image", "bootstrap")


def test_tensors_and_booleans_are_welcome():
    right = torch.tensor([True, False, True, True])
    assert bootstrap_interval(right) == bootstrap_interval([1.0, 0.0, 1.0, 1.0])
    images = torch.arange(4)
    assert cluster_interval(right, images) == cluster_interval([1, 0, 1, 1], [0, 1, 2, 3])


# Against scipy and closed forms


@pytest.mark.parametrize("n", range(1, 14))
def test_interquartile_mean_is_scipys(n):
    values = np.random.default_rng(n).normal(size=(3, n))
    assert interquartile_mean(values) == pytest.approx(scipy.stats.trim_mean(values, 0.25, axis=1))


@pytest.mark.parametrize("freedom", [1, 1.3, 2, 3, 4.7, 9, 30, 1000, 9999])
def test_student_t_is_scipys(freedom):
    for chance in (0.01, 0.4, 0.6, 0.9, 0.975, 0.995):
        assert student_t(chance, freedom) == pytest.approx(scipy.stats.t.ppf(chance, freedom))


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_few_seeds_get_students_interval(level):
    few = bootstrap_interval(FIVE, level=level)
    wanted = scipy.stats.ttest_1samp(FIVE, 0).confidence_interval(level)
    assert (few.low, few.high) == pytest.approx((wanted.low, wanted.high))


def test_few_seeds_of_tasks_get_welchs_interval():
    a, b = np.array(FIVE), np.array([0.2, 0.6, 0.5, 0.1, 0.9])
    both = bootstrap_interval([a, b])
    wanted = scipy.stats.ttest_ind(a, -b, equal_var=False).confidence_interval()
    assert (both.low * 2, both.high * 2) == pytest.approx((wanted.low, wanted.high))


def test_few_seeds_get_the_trimmed_t_of_yuen():
    """Against scipy's trimmed two-sample test, whose other sample is constant."""
    few = bootstrap_interval(FIVE, interquartile_mean)
    error = (few.high - few.point) / scipy.stats.t.ppf(0.975, 2)
    other = scipy.stats.ttest_ind(FIVE, np.zeros(5), trim=0.2, equal_var=False)
    assert few.point / error == pytest.approx(other.statistic)


@pytest.mark.parametrize("statistic", [mean, interquartile_mean])
def test_many_seeds_get_scipys_percentiles_further_out(statistic):
    values = np.random.default_rng(0).exponential(size=12)
    ours = bootstrap_interval(values, statistic, resamples=100_000)
    tail = scipy.stats.norm.cdf(-math.sqrt(12 / 11) * scipy.stats.t.ppf(0.975, 11))
    theirs = scipy.stats.bootstrap(
        (values,),
        statistic,
        confidence_level=1 - 2 * tail,
        method="percentile",
        n_resamples=100_000,
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert ours.point == pytest.approx(statistic(values))
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.03)
    plain = np.quantile(
        statistic(values[np.random.default_rng(0).integers(12, size=(10_000, 12))]), 0.025
    )
    assert ours.low < plain


def test_seeds_are_resampled_within_their_task():
    """Two tasks far apart: were runs resampled across tasks, the interval would span them."""
    rng = np.random.default_rng(0)
    table = np.stack([rng.normal(size=10), 100 + rng.normal(size=10)])
    both = bootstrap_interval(table)
    assert both.high - both.low < 2
    assert both.n == 10


def test_pairs_take_out_what_seeds_share():
    rng = np.random.default_rng(0)
    shared, noise = rng.normal(size=10), rng.normal(size=10) / 100
    a, b = shared + noise, shared - 0.1
    paired = paired_difference(a, b)
    assert paired == bootstrap_interval(a - b)
    assert holds(paired, 0.1)
    assert paired.high - paired.low < 0.05
    assert paired_difference(b, a).point == pytest.approx(-paired.point)


def test_probability_of_improvement_counts_pairs():
    rng = np.random.default_rng(0)
    a, b = rng.integers(5, size=9), rng.integers(4, size=7)
    ours = probability_of_improvement(a, b)
    assert ours.point == pytest.approx(scipy.stats.mannwhitneyu(a, b).statistic / 63)
    assert ours.n == 7
    back = probability_of_improvement(b, a)
    assert (1 - back.high, 1 - back.low) == pytest.approx((ours.low, ours.high))
    tasks = probability_of_improvement([a, a, a], [b, b, b])
    assert tasks.point == pytest.approx(ours.point)
    assert ours.low < tasks.low < tasks.high < ours.high


def test_three_runs_ahead_of_three_are_no_proof():
    """A bootstrap says [1, 1] here; one in twenty orders of six equal runs looks like this."""
    ahead = probability_of_improvement([3, 4, 5], [0, 1, 2])
    assert ahead.point == ahead.high == 1
    assert ahead.low == pytest.approx(0.5, abs=0.01)
    z = scipy.stats.norm.ppf(0.975)  # the defining equation, with its formula written anew
    chance = ahead.low
    extra = 2 * ((1 - chance) / (2 - chance) + chance / (1 + chance))
    assert (1 - chance) ** 2 == pytest.approx(z**2 * chance * (1 - chance) * (1 + extra) / 9)


def test_clusters_of_one_scene_are_a_bootstrap_of_scenes():
    values = np.random.default_rng(0).exponential(size=400)
    ours = cluster_interval(values, np.arange(400))
    error = values.std(ddof=1) / 20
    assert (ours.low, ours.high) == pytest.approx(
        (ours.point - 1.96 * error, ours.point + 1.96 * error), abs=0.3 * error
    )


def test_drawing_kinds_of_clusters_is_drawing_clusters():
    """Right or wrong leaves few kinds; a trace of noise makes every cluster its own."""
    rng = np.random.default_rng(0)
    cluster = rng.integers(1500, size=4000)
    right = (rng.random(4000) < 0.9).astype(float)
    kinds = cluster_interval(right, cluster, resamples=5000)
    singly = cluster_interval(right + 1e-9 * rng.normal(size=4000), cluster, resamples=5000)
    assert kinds[:3] == pytest.approx(singly[:3], abs=1e-3)
    assert kinds[:3] != singly[:3]


def test_clusters_may_have_any_names_and_sizes():
    values = [1.0, 0.0, 0.0, 1.0, 1.0, 0.5]
    once = cluster_interval(values, [5, -3, 5, 900, 900, 900])
    assert once.point == pytest.approx(np.mean(values))
    assert once.n == 3
    assert cluster_interval(values, [1, 0, 1, 2, 2, 2]) == once


def test_paired_clusters_take_out_what_scenes_share():
    rng = np.random.default_rng(0)
    cluster = np.repeat(np.arange(100), 5)
    hard = rng.normal(size=100)[cluster]
    a, b = hard + rng.normal(size=500) / 10, hard + rng.normal(size=500) / 10 - 0.05
    paired = paired_cluster_difference(a, b, cluster)
    assert paired == cluster_interval(a - b, cluster)
    assert paired.low > 0
    apart = cluster_interval(a, cluster)
    assert apart.high - apart.low > 5 * (paired.high - paired.low)


# How often it is right


def plain_percentile(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(M, n) -> (M, 2): the textbook bootstrap interval for the mean, which we do not use."""
    n = samples.shape[1]
    again = samples[:, rng.integers(n, size=(1000, n))].mean(-1)
    return np.quantile(again, [0.025, 0.975], axis=1).T


@pytest.mark.parametrize("n, covers", [(3, 0.75), (5, 0.84), (10, 0.90)])
def test_the_plain_bootstrap_covers_too_seldom(n, covers):
    """Why `bootstrap_interval` is not one: nominal 95 %, normal values."""
    rng = np.random.default_rng(0)
    bounds = plain_percentile(rng.normal(size=(2000, n)), rng)
    found = ((bounds[:, 0] <= 0) & (bounds[:, 1] >= 0)).mean()
    assert found == pytest.approx(covers, abs=0.025)


SKEWED_IQM = 1 - 1.5 * math.log(0.75) + 0.5 * math.log(0.25)  # of the exponential distribution


@pytest.mark.parametrize(
    "statistic, skewed, n, least, most",
    [
        (mean, False, 3, 0.93, 0.97),
        (mean, False, 5, 0.93, 0.97),
        (mean, False, 10, 0.93, 0.97),
        (mean, True, 3, 0.85, 0.91),
        (mean, True, 5, 0.85, 0.91),
        (mean, True, 10, 0.89, 0.94),
        (interquartile_mean, False, 3, 0.93, 0.97),
        (interquartile_mean, False, 5, 0.92, 0.96),
        (interquartile_mean, False, 10, 0.95, 0.99),
        (interquartile_mean, True, 3, 0.89, 0.95),
        (interquartile_mean, True, 5, 0.88, 0.94),
        (interquartile_mean, True, 10, 0.94, 0.98),
    ],
)
def test_coverage_of_seeds(statistic, skewed, n, least, most):
    """95 % intervals, normal and exponential values: the share that holds the truth."""
    rng = np.random.default_rng(1)
    draw = rng.exponential if skewed else rng.normal
    truth = {mean: 1.0, interquartile_mean: SKEWED_IQM}[statistic] if skewed else 0.0
    runs = [bootstrap_interval(draw(size=n), statistic, resamples=2000) for _ in range(1000)]
    assert least < np.mean([holds(run, truth) for run in runs]) < most


@pytest.mark.parametrize(
    "statistic, n", [(mean, 3), (interquartile_mean, 5), (interquartile_mean, 10)]
)
def test_coverage_over_tasks(statistic, n):
    """Four tasks of different level and spread; pooled symmetrically around 0."""
    rng = np.random.default_rng(2)
    level = np.array([-3.0, -1.0, 1.0, 3.0])[:, None]
    spread = np.array([0.5, 1.0, 1.0, 0.5])[:, None]
    tables = level + spread * rng.normal(size=(600, 4, n))
    runs = [bootstrap_interval(table, statistic, resamples=1000) for table in tables]
    assert 0.92 < np.mean([holds(run, 0) for run in runs]) < 0.995


@pytest.mark.parametrize("shift", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("n", [3, 5, 10])
def test_coverage_of_the_probability_of_improvement(n, shift):
    rng = np.random.default_rng(3)
    truth = scipy.stats.norm.cdf(shift / math.sqrt(2))
    runs = [
        probability_of_improvement(rng.normal(shift, size=n), rng.normal(size=n))
        for _ in range(500)
    ]
    assert 0.87 < np.mean([holds(run, truth) for run in runs]) < 0.99


def test_coverage_of_clusters():
    """Five scenes of an image share its difficulty; taken as independent they cover too seldom."""
    rng = np.random.default_rng(4)
    cluster = np.repeat(np.arange(60), 5)
    by_image, by_scene = [], []
    for _ in range(400):
        values = rng.normal(size=60)[cluster] + rng.normal(size=300) * 0.5
        by_image.append(holds(cluster_interval(values, cluster, resamples=500), 0))
        by_scene.append(holds(cluster_interval(values, np.arange(300), resamples=500), 0))
    assert 0.92 < np.mean(by_image) < 0.98
    assert np.mean(by_scene) < 0.75


# Seeds and errors


def test_same_seed_same_interval():
    rng = np.random.default_rng(0)
    many, cluster = rng.normal(size=40), np.arange(40) // 2
    for make in (
        lambda seed: bootstrap_interval(many, seed=seed),
        lambda seed: bootstrap_interval(many.reshape(4, 10), interquartile_mean, seed=seed),
        lambda seed: paired_difference(many, many[::-1], seed=seed),
        lambda seed: cluster_interval(many, cluster, seed=seed),
        lambda seed: paired_cluster_difference(many, many[::-1], cluster, seed=seed),
    ):
        np.random.seed(0)
        first = make(5)
        np.random.seed(1)
        assert make(5) == first
        assert make(6) != first


def test_equal_values_have_an_interval_without_width():
    for values in ([0.5] * 3, [0.5] * 5, [0.5] * 9, [[0.5] * 3] * 2):
        for statistic in (mean, interquartile_mean):
            one = bootstrap_interval(values, statistic)
            assert one.low == one.high == one.point == 0.5


@pytest.mark.parametrize(
    "call, line",
    [
        (lambda: bootstrap_interval([1.0, math.nan, 2.0]), "value 1 is nan"),
        (lambda: bootstrap_interval([[1.0, 2.0], [3.0, math.inf]]), r"value \(1, 1\) is inf"),
        (lambda: paired_difference([1.0, 2.0], [1.0, -math.inf]), "value 1 is -inf"),
        (lambda: probability_of_improvement([1.0], [math.nan]), "value 0 is nan"),
        (lambda: cluster_interval([0.0, math.nan], [0, 1]), "value 1 is nan"),
        (lambda: bootstrap_interval([]), r"not a shape of \(0,\)"),
        (lambda: bootstrap_interval(1.0), r"not a shape of \(\)"),
        (lambda: paired_difference([1.0, 2.0], [1.0]), r"not \(2,\) and \(1,\)"),
        (lambda: probability_of_improvement([[1, 2], [3, 4]], [1, 2]), "2 tasks and b has 1"),
        (lambda: cluster_interval([1.0, 2.0], [0]), r"\(2,\) values .* \(1,\) clusters"),
        (lambda: bootstrap_interval([1.0, 2.0], level=95), "not at 95"),
        (lambda: cluster_interval([1.0, 2.0], [0, 1], level=0), "not at 0"),
    ],
)
def test_errors_are_one_line(call, line):
    with pytest.raises(ValueError, match=line):
        call()


def test_an_unpaired_difference_is_welch_s() -> None:
    a, b = [10.0, 12.0, 14.0, 11.0], [30.0, 33.0, 31.0]
    found = unpaired_difference(a, b)
    wanted = scipy.stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert found.point == pytest.approx(np.mean(a) - np.mean(b)) and found.n == 3
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high))
    same = unpaired_difference([1.0, 1.0], [2.0, 2.0, 2.0])
    assert (same.low, same.high) == (-1.0, -1.0)
    with pytest.raises(ValueError, match="two seeds of each, not 1 and 2"):
        unpaired_difference([1.0], [1.0, 2.0])
