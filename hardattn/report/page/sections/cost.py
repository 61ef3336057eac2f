"""What accuracy costs: the front of what no other agent of a class undercuts, and its area.

An agent is on the front of its class if none that may see as much has less error for no more cost.
A time has quartiles, and where those of two overlap neither costs less; one without quartiles is on
no front. The area is over the logarithm of the cost, from the cheapest to the dearest point of the
class: the mean error of whoever always takes the best agent for the budget.
"""

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import NamedTuple

from hardattn.evaluation.metrics import pareto_apart, pareto_area
from hardattn.report.rows import Row, Table, error_after, pixels
from hardattn.stats import Estimate


class Point(NamedTuple):
    """An agent, maybe after fewer looks, and what that cost."""

    cost: float
    error: float  # percent
    title: str
    low: float  # between which the cost lies; both are the cost where it is exact
    high: float


class Front(NamedTuple):
    """The points of a class that no other undercuts, cheapest first."""

    sees: str
    points: tuple[Point, ...]
    most: float  # the dearest cost in the class
    area: float  # percent


class Cost(NamedTuple):
    """What can be paid: with its name, its unit and who was found to pay what."""

    key: str
    name: str
    unit: str
    points: Callable[[Row], list[Point]]


def _flops(row: Row) -> list[Point]:
    cost = (row.flops or 0.0) / 1e6
    return [Point(cost, row.error.point, row.title, cost, cost)] if cost else []


def _timed(value: Callable[[Row], Estimate | None]) -> Callable[[Row], list[Point]]:
    """A row whose time has quartiles has one point."""

    def points(row: Row) -> list[Point]:
        time = value(row)
        if time is None or time.low is None or time.high is None:
            return []
        return [Point(time.point, row.error.point, row.title, time.low, time.high)]

    return points


def _looks(row: Row) -> list[Point]:
    """A row has a point a look: what it had answered, had it stopped there."""
    found = []
    for look, one in enumerate(error_after(row.group), 1):
        cost = pixels(row.group, look)
        found.append(Point(cost, one.point, row.title, cost, cost))
    return found


COSTS = (
    Cost("pixels", "pixels seen", "pixels", _looks),
    Cost("flops", "operations", "MFLOP", _flops),
    Cost("seconds", "training", "s", _timed(lambda row: row.seconds)),
    Cost("latency", "latency", "ms", _timed(lambda row: row.latency_ms)),
)


def fronts(table: Table, cost: Cost) -> list[Front]:
    """One for each class in which something was measured."""
    found = []
    for sees, rows in table.sections:
        points = [point for row in rows for point in cost.points(row)]
        if points:
            lows, highs = [point.low for point in points], [point.high for point in points]
            on = pareto_apart(lows, highs, [point.error for point in points])
            front = tuple(points[at] for at in on)
            most = max(point.cost for point in points)
            found.append(Front(sees, front, most, _area(front, points)))
    return found


def _area(front: Sequence[Point], points: Sequence[Point]) -> float:
    """Mean error in percent, over budgets from the front's least cost to the most of all points, on
    a log scale.
    """
    costs = [math.log(point.cost) for point in front]
    errors = [point.error for point in front]
    most = max(math.log(point.cost) for point in points)
    if min(costs) == most:
        return min(errors)
    return pareto_area(costs, errors, upto=most, since=min(costs), worst=100.0)


def summary(table: Table) -> str:
    """A small table of all fronts as HTML; "" where every class has but one agent."""
    lines = []
    for cost in COSTS:
        for one in fronts(table, cost):
            names = list(dict.fromkeys(point.title for point in one.points))
            span = f"{_number(one.points[0].cost)} to {_number(one.most)} {cost.unit}"
            if one.points[0].cost >= one.most:
                span = f"{_number(one.most)} {cost.unit}"
            lines.append(
                f'<tr><th scope="row">{escape(cost.name)}</th><td class="text">{escape(one.sees)}'
                f'</td><td class="text">{escape(" → ".join(names))}</td><td>{span}</td>'
                f"<td>{one.area:.{table.decimals}f}</td></tr>"
            )
    if max(len(rows) for _, rows in table.sections) == 1:
        return ""
    heads = (
        ("cost", "text"),
        ("class", "text"),
        ("on its front, cheapest first", "text"),
        ("from, to", ""),
        ("area, %", ""),
    )
    return (
        '<div class="scroll"><table class="plain"><thead><tr>'
        + "".join(f'<th scope="col" class="{kind}">{head}</th>' for head, kind in heads)
        + f"</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
        '<p class="soft">Of times whose quartiles overlap none counts as the less, and a time '
        "without quartiles is on no front. Area: the mean error along the front, over the "
        "logarithm of the cost. "
        "Classes span costs of their own, so areas are compared within a class, from report to "
        "report.</p>"
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
