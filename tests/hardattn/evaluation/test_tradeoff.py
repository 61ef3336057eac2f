"""Fronts and budgets, by hand and against all pairs."""

import math
from itertools import pairwise

import pytest
import torch

from hardattn.evaluation.metrics import (
    error_at_cost,
    error_by_cost,
    pareto,
    pareto_apart,
    pareto_area,
)
from tests.support.handmade import columns


def test_the_front_by_hand() -> None:
    costs = [4.0, 1.0, 2.0, 2.0, 3.0, 1.0, 5.0]
    errors = [0.1, 0.5, 0.3, 0.2, 0.2, 0.5, 0.1]
    # Of equals the first; at equal cost the better; at equal error the cheaper.
    assert pareto(costs, errors) == [1, 3, 0]
    assert pareto([], []) == []
    assert pareto([7.0], [1.0]) == [0]


def test_the_front_against_all_pairs() -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        points = [tuple(row) for row in torch.randint(6, (12, 2), generator=generator).tolist()]
        beaten = {p for p in points for q in points if q != p and q[0] <= p[0] and q[1] <= p[1]}
        found = pareto(*zip(*points, strict=True))
        assert [points[i] for i in found] == sorted(set(points) - beaten)


def test_a_front_of_intervals_by_hand() -> None:
    low, high = [3.4, 5.4, 26.0, 1.0], [27.0, 6.0, 28.0, 3.0]
    # The first overlaps with all but the last, and two of those have less error.
    assert pareto_apart(low, high, [0.3, 0.2, 0.1, 0.4]) == [3, 1, 2]
    # Of two that overlap only the better one counts, be it the dearer.
    assert pareto_apart([1.0, 1.9], [2.0, 3.0], [0.2, 0.1]) == [1]
    assert pareto_apart([1.0, 1.9], [2.0, 3.0], [0.1, 0.2]) == [0]
    assert pareto_apart([1.0, 2.5], [2.0, 3.0], [0.2, 0.1]) == [0, 1]
    with pytest.raises(ValueError, match=r"point 1 costs from 3\.0 to 2\.0"):
        pareto_apart([1.0, 3.0], [2.0, 2.0], [0.1, 0.1])


def test_a_front_of_intervals_has_none_that_overlap() -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        ends = torch.randint(9, (12, 2), generator=generator).sort(1).values
        low, high = ends.T.tolist()
        errors = torch.randint(6, (12,), generator=generator).tolist()
        assert pareto_apart(low, low, errors) == pareto(low, errors)
        front = pareto_apart(low, high, errors)
        for one, other in pairwise(front):
            assert high[one] < low[other] and errors[one] > errors[other]
        assert errors[front[-1]] == min(errors)


def test_the_area_by_hand() -> None:
    # Nothing up to 1, then 0.5 up to 2, then 0.2 up to 4.
    costs, errors = [1.0, 2.0, 3.0], [0.5, 0.2, 0.4]
    assert pareto_area(costs, errors, upto=4) == pytest.approx((1 * 1 + 1 * 0.5 + 2 * 0.2) / 4)
    assert pareto_area(costs, errors, upto=1.5) == pytest.approx((1 + 0.5 * 0.5) / 1.5)
    assert pareto_area(costs, errors, upto=3, since=1.5) == pytest.approx((0.5 * 0.5 + 0.2) / 1.5)
    assert pareto_area(costs, errors, upto=4, worst=0.4) == pytest.approx((2 * 0.4 + 2 * 0.2) / 4)
    assert pareto_area(costs, errors, upto=0.5) == pareto_area([], [], upto=7) == 1.0
    assert pareto_area([0.0], [0.3], upto=9) == pytest.approx(0.3)


def test_the_area_is_the_mean_over_budgets() -> None:
    generator = torch.Generator().manual_seed(0)
    costs = (12 * torch.rand(9, generator=generator)).tolist()
    errors = (1.2 * torch.rand(9, generator=generator)).tolist()
    budgets = torch.linspace(2, 10, 40_001)[:-1] + 8 / 80_000
    best = torch.ones(40_000)
    for cost, error in zip(costs, errors, strict=True):
        best = torch.where(budgets >= cost, best.clamp(max=error), best)
    assert pareto_area(costs, errors, 10, 2) == pytest.approx(best.mean().item(), abs=1e-3)


@pytest.mark.parametrize("measure", [pareto, lambda c, e: pareto_area(c, e, 1.0)])
def test_what_is_not_known_is_refused(measure) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=r"point 1 is \(2.0, nan\)"):
        measure([1.0, 2.0], [0.1, math.nan])
    with pytest.raises(ValueError, match="2 costs, but 1 errors"):
        measure([1.0, 2.0], [0.1])
    with pytest.raises(ValueError, match="let them end later"):
        pareto_area([], [], 1.0, 1.0)


def test_costs_of_looks() -> None:
    """Two of four stop after one look, and pay for no other."""
    made = columns(looks=torch.tensor([2, 1, 2, 1]))
    assert error_by_cost(made, 10, before=5) == ([15.0, 20.0], [0.75, 0.5])
    assert error_at_cost(made, 24.9, 10, before=5) == 0.75
    assert error_at_cost(made, 25, 10, before=5) == error_at_cost(made, 900, 10) == 0.5
    assert error_at_cost(made, 14.9, 10, before=5) is None
    assert error_at_cost(made, 3 * 0.1, 0.3) == 0.75  # 0.30000000000000004 or not
    assert error_at_cost(made, 0.6, 3 * 0.1) == 0.5
