"""Error against cost: what a budget buys. Costs are pixels, FLOPs or seconds, errors are shares."""

import math
from collections.abc import Sequence

import torch

from hardattn.evaluation.evaluate import Columns


def error_by_cost(
    columns: Columns, per_look: float, before: float = 0.0
) -> tuple[list[float], list[float]]:
    """(costs, errors) of T points: had every agent stopped after t looks at the latest.

    per_look: what one look costs. before: what was spent before the first, on a coarse view. An
    agent that stops by itself pays for the looks that it took: the costs are means over examples.
    """
    budget = torch.arange(1, columns.log_probability.shape[1] + 1)
    taken = torch.minimum(columns.looks[:, None], budget).double().mean(0)
    errors = 1 - columns.share_correct.mean(0)
    return (before + per_look * taken).tolist(), errors.tolist()


def error_at_cost(
    columns: Columns, budget: float, per_look: float, before: float = 0.0
) -> float | None:
    """Error after as many looks as the budget pays for an example; None if for none at all."""
    # What n looks cost pays for n looks, whatever the rounding of the quotient.
    looks = math.floor((budget - before) / per_look * (1 + 1e-12))
    if looks < 1:
        return None
    row = min(looks, columns.log_probability.shape[1]) - 1
    return 1 - columns.share_correct[:, row].mean().item()


def pareto(costs: Sequence[float], errors: Sequence[float]) -> list[int]:
    """Which points no other beats, by number, in the order of rising cost and falling error.

    A point is beaten by one that is no worse in both and better in one; of equal points the first
    is kept. Raises ValueError where a number is NaN or the two differ in length.
    """
    _check(costs, errors)
    return _unbeaten(costs, costs, errors)


def pareto_apart(low: Sequence[float], high: Sequence[float], errors: Sequence[float]) -> list[int]:
    """`pareto` for costs that are known to lie between `low` and `high`.

    Where two intervals overlap neither costs less, and the smaller error beats the larger: so no
    two intervals of those returned overlap. Where all intervals have no width it is `pareto`.
    """
    _check(low, errors)
    _check(high, errors)
    for number, (least, most) in enumerate(zip(low, high, strict=True)):
        if least > most:
            raise ValueError(f"point {number} costs from {least} to {most}: the less comes first")
    return _unbeaten(low, high, errors)


def _unbeaten(low: Sequence[float], high: Sequence[float], errors: Sequence[float]) -> list[int]:
    front: list[int] = []
    # By rising error: whoever comes later is on it if it is cheaper, beyond doubt, than all before.
    for point in sorted(range(len(errors)), key=lambda i: (errors[i], low[i], high[i])):
        if all(high[point] < low[other] for other in front):
            front.append(point)
    return front[::-1]


def pareto_area(
    costs: Sequence[float],
    errors: Sequence[float],
    upto: float,
    since: float = 0.0,
    worst: float = 1.0,
) -> float:
    """Mean, over budgets uniform in [since, upto], of the least error that a budget buys.

    A budget below the cheapest point buys `worst`, and no point counts for more. It is the area
    under the front's staircase over the width of the interval, so worst - area is the hypervolume
    (Zitzler & Thiele 1998) with the reference point (upto, worst), over that width. Less is better.
    To compare two sets use the same bounds for both; for orders of magnitude pass logarithms of
    costs, with `since` the logarithm of the least.
    """
    _check(costs, errors)
    if not upto > since:
        raise ValueError(f"the budgets end at {upto} and begin at {since}: let them end later")
    area, cost, error = 0.0, since, worst
    for point in pareto(costs, errors):
        if errors[point] < error:
            reached = min(max(costs[point], since), upto)
            area += (reached - cost) * error
            cost, error = reached, errors[point]
            if costs[point] >= upto:
                return area / (upto - since)
    return (area + (upto - cost) * error) / (upto - since)


def _check(costs: Sequence[float], errors: Sequence[float]) -> None:
    if len(costs) != len(errors):
        raise ValueError(f"{len(costs)} costs, but {len(errors)} errors: one of each a point")
    for number, (cost, error) in enumerate(zip(costs, errors, strict=True)):
        if math.isnan(cost) or math.isnan(error):
            raise ValueError(f"point {number} is ({cost}, {error}): leave out what is not known")
