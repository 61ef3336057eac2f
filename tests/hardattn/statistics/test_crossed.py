"""Statistics over seeds and images at once, against values by hand."""

import math

import numpy as np
import pytest

from hardattn.statistics.crossed import (
    at_budget,
    performance_profile,
    two_way_chance,
    two_way_difference,
    two_way_interval,
)
from hardattn.statistics.intervals import student_t
from hardattn.statistics.significance import beyond


def test_where_seeds_alone_differ_it_is_students_t_of_their_means() -> None:
    table = np.repeat([[0.1], [0.2], [0.3]], 50, axis=1)
    found = two_way_interval(table, resamples=40_000)
    # The standard error of three means, .1 / sqrt(3), times t(.975; 2) = 4.3027.
    half = 4.3027 * 0.1 / math.sqrt(3)
    assert found.point == pytest.approx(0.2) and found.n == 3
    assert found.low == pytest.approx(0.2 - half, abs=0.01)
    assert found.high == pytest.approx(0.2 + half, abs=0.01)


def test_where_images_alone_differ_it_is_that_of_a_share() -> None:
    table = np.tile(np.repeat([0.0, 1.0], 200), (4, 1))
    found = two_way_interval(table, resamples=40_000)
    # sqrt(.5 * .5 / 400) = .025, widened by sqrt(4 / 3), at t(.975; 3).
    half = student_t(0.975, 3) * 0.025 * math.sqrt(4 / 3)
    assert found.high == pytest.approx(0.5 + half, abs=0.003)


def test_both_are_counted_and_a_seed_alone_has_no_interval() -> None:
    rng = np.random.default_rng(0)
    by_seed = rng.normal(0, 0.1, (5, 1)) + rng.normal(0, 0.02, (5, 300))
    both = by_seed + rng.normal(0, 1.0, (1, 300))

    def width(values: np.ndarray) -> float:
        found = two_way_interval(values)
        assert found.low is not None and found.high is not None
        return found.high - found.low

    assert width(both) > width(by_seed) > 0
    alone = two_way_interval([[0.0, 1.0]])
    assert (alone.point, alone.low, alone.high) == (0.5, None, None)
    assert two_way_interval(both) == two_way_interval(both)


def test_the_interval_of_a_difference_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(300):
        values = 0.3 + rng.normal(0, 0.05, (3, 1)) + rng.normal(0, 0.5, (1, 60))
        values = values + rng.normal(0, 0.3, (3, 60))
        found = two_way_interval(values, resamples=400)
        held += found.low <= 0.3 <= found.high  # type: ignore[operator]
    assert held / 300 >= 0.94


def test_pairs_are_of_seeds_and_images() -> None:
    rng = np.random.default_rng(2)
    image = rng.random((1, 100))
    a, b = np.repeat(image, 3, 0) + 0.1, np.repeat(image, 3, 0)
    found = two_way_difference(a, b)
    assert found.point == pytest.approx(0.1)
    assert found.low == pytest.approx(0.1) and found.high == pytest.approx(0.1)
    with pytest.raises(ValueError, match="one shape"):
        two_way_difference(a, b[:2])
    with pytest.raises(ValueError, match="finite"):
        two_way_interval([[math.nan]])


def test_a_chance_by_hand() -> None:
    a, b = np.array([[1.0, 0.0], [1.0, 1.0]]), np.zeros((2, 2))
    # Means of seeds .5 and 1, of variance .125; of images 1 and .5, the same: each over 2.
    error = math.sqrt(0.125 / 2 + 0.125 / 2)
    assert two_way_chance(a, b) == pytest.approx(beyond(0.75 / error, 1))
    assert two_way_chance(a, a) == 1.0
    assert two_way_chance(a[:1], b[:1]) == 1.0
    assert two_way_chance(np.ones((3, 4)), np.zeros((3, 4))) == 0.0


def test_a_profile_counts_every_task_alike() -> None:
    errors = [[0.1, 0.2, 0.3, 0.4], [0.1, 0.5]]
    assert performance_profile(errors, [0.05, 0.1, 0.3, 1.0]) == [0.0, 0.375, 0.625, 1.0]
    with pytest.raises(ValueError, match="at least one run"):
        performance_profile([[0.1], []], [0.5])


def test_a_budget_buys_the_last_point_within_it() -> None:
    points = [(20.0, 0.3), (10.0, 0.5), (30.0, 0.4)]
    assert at_budget(points, 20) == 0.3
    assert at_budget(points, 29.9) == 0.3
    assert at_budget(points, 99) == 0.4
    assert at_budget(points, 9) is None and at_budget(points, 9, 0.9) == 0.9
