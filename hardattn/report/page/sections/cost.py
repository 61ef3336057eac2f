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

import plotly.graph_objects as go

from hardattn.evaluation.metrics import pareto_apart, pareto_area
from hardattn.report.page.charts import Chart, Style, axes, hovered, interval, line
from hardattn.report.page.context import Context
from hardattn.report.page.sections.provenance import origin
from hardattn.report.page.sections.table import swatch
from hardattn.report.page.theme import GREYS
from hardattn.report.results import Result
from hardattn.report.rows import MANY, Row, Table, error_after, pixels
from hardattn.statistics.intervals import Estimate

FRONTS = ("dot", "dash", "longdash", "dashdot")  # of the classes, in the table's order
SAID = {
    "pixels": "What each answer cost in pixels",
    "flops": "Million operations for one image",
    "seconds": "Seconds of training, of the processor's own clock, with quartiles over seeds",
    "latency": "Milliseconds for one image, of the processor's own clock, with quartiles of passes",
}


def section(context: Context) -> str:
    """Curves and fronts of error against what it took, under one legend."""
    table = context.table
    drawn = "".join(map(context.chart, charts(table, context.styles)))
    return (
        f'{_legend(table, context.styles)}<figure><div class="charts">{drawn}</div>'
        f"{summary(table)}<figcaption>{origin(table.rows)}</figcaption></figure>"
    )


def _legend(table: Table, styles: dict[str, Style]) -> str:
    """One legend for all curves of a table, class by class; each entry hides and shows its row."""
    parts = []
    for sees, rows in table.sections:
        parts.append(f'<span class="of">{escape(sees)}</span>')
        parts += [
            f'<button class="chip" aria-pressed="true" data-name="{escape(row.group.name)}" '
            f'data-title="{escape(row.title)}">'
            f"{swatch(styles[row.group.name])}{escape(row.title)}</button>"
            for row in rows
        ]
    return f'<div class="legend">{"".join(parts)}</div>'


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


def charts(table: Table, styles: dict[str, Style]) -> list[Chart]:
    """Error against looks, where any were chosen; against what it cost, with the front of each
    class; against pointing, where it was measured; and validation error against training images.
    """
    after = {row.group.name: error_after(row.group) for row in table.rows}
    looking = max(map(len, after.values())) > 1
    looks = Chart(
        "looks",
        "Error after each look",
        "Bands are 95 % intervals. A line across the whole width saw everything in one look.",
        _against_looks(table, styles, after) if looking else go.Figure(),
    )
    pointing = Chart(
        "pointing",
        "Error against pointing",
        "Whether who attends to the target answers right, with 95 % intervals: lower right does "
        "both.",
        _against(
            table,
            styles,
            "pointing, %",
            [
                None if row.pointing is None else Estimate(row.pointing, None, None, 1, "none")
                for row in table.rows
            ],
        ),
    )
    training = Chart(
        "training",
        "Validation error while learning",
        "Means over training seeds."
        if len(table.rows) > MANY
        else "One thin line a training seed; the thick one is their mean.",
        _while_training(table, styles),
    )
    costs = [_cost(table, styles, cost, after) for cost in COSTS if looking or cost.key != "pixels"]
    return [
        *(chart for chart in (looks, *costs, pointing) if chart.figure.data),
        training,
    ]


def _cost(
    table: Table, styles: dict[str, Style], cost: Cost, after: dict[str, list[Estimate]]
) -> Chart:
    """Lower left is better; a dotted staircase for the front of each class."""
    if cost.key == "pixels":
        figure = _against_pixels(table, styles, after)
    else:
        values = [_value(row, cost.key) for row in table.rows]
        figure = _against(table, styles, f"{cost.name}, {cost.unit}", values)
        _decades(figure, [value.point for value in values if value is not None])
    for front, dash in zip(fronts(table, cost), FRONTS * 2, strict=False):
        _staircase(figure, front, dash)
    said = f"{SAID[cost.key]}, on a logarithmic scale: lower left is better."
    if fronts(table, cost):
        said += " Grey steps are the front of each class."
    return Chart(cost.key, f"Error against {cost.name}", said, figure)


def _value(row: Row, key: str) -> Estimate | None:
    """What a row costs; exact, or with quartiles."""
    if key == "flops":
        return _exact(row.flops and row.flops / 1e6)
    return row.seconds if key == "seconds" else row.latency_ms


def _exact(value: float | None) -> Estimate | None:
    return Estimate(value, None, None, 1, "none") if value else None


def _staircase(figure: go.Figure, front: Front, dash: str) -> None:
    """What the best agent of a class reaches for a budget."""
    figure.add_scatter(
        x=[*(point.cost for point in front.points), front.most],
        y=[*(point.error for point in front.points), front.points[-1].error],
        mode="lines",
        line={"color": GREYS[0], "width": 3, "dash": dash, "shape": "hv"},
        opacity=0.55,
        customdata=[[front.sees, hovered(one.title)] for one in (*front.points, front.points[-1])],
        hovertemplate="front of %{customdata[0]}: %{customdata[1]}, %{y:.2f} %<extra></extra>",
    )


def _decades(figure: go.Figure, values: Sequence[float]) -> None:
    """A logarithmic axis with plain numbers, over at least half a decade."""
    marks = [mark * 10.0**power for power in range(-6, 10) for mark in (1, 2, 5)]
    if values:
        low, high = min(values), max(values)
        spare = max(1.12, (3 * low / high) ** 0.5)
        span = [math.log10(low / spare), math.log10(high * spare)]
        figure.update_xaxes(range=span)
    figure.update_xaxes(type="log", tickvals=marks, ticktext=[f"{mark:,g}" for mark in marks])


def _against_looks(
    table: Table, styles: dict[str, Style], after: dict[str, list[Estimate]]
) -> go.Figure:
    figure = axes("looks", "test error, %")
    longest = max(map(len, after.values()))
    for row in table.rows:
        curve = after[row.group.name]
        at = list(range(1, len(curve) + 1))
        at_once = len(curve) == 1 and longest > 1
        if at_once:
            curve, at = curve * 2, [1, longest]
        line(figure, row, styles, at, curve, "look %{x}", marked=not at_once)
    figure.update_xaxes(dtick=1 if longest <= 12 else None, range=[0.8, longest + 0.2])
    return figure


def _against_pixels(
    table: Table, styles: dict[str, Style], after: dict[str, list[Estimate]]
) -> go.Figure:
    figure = axes("pixels seen", "test error, %")
    for row in table.rows:
        curve = after[row.group.name]
        at = [pixels(row.group, look) for look in range(1, len(curve) + 1)]
        line(figure, row, styles, at, curve, "%{x:,} pixels")
    _decades(figure, [])
    return figure


def _against(
    table: Table, styles: dict[str, Style], what: str, values: Sequence[Estimate | None]
) -> go.Figure:
    """A point a row that has a value, and how far that is known."""
    figure = axes(what, "test error, %")
    for row, value in zip(table.rows, values, strict=True):
        if value is not None:
            where = f"%{{x:,.4g}}{interval(value)}"
            line(figure, row, styles, [value.point], [row.error], where, known=value)
    return figure


def _while_training(table: Table, styles: dict[str, Style]) -> go.Figure:
    figure = axes("training images", "validation error, %")
    for row in table.rows:
        style, name, title = styles[row.group.name], row.group.name, hovered(row.title)
        curves = [_curve(run.result) for run in row.group.runs]
        shared = all([x for x, _ in curve] == [x for x, _ in curves[0]] for curve in curves)
        thin = len(curves) > 1 and shared
        alone = thin and len(table.rows) > MANY
        for run, curve in zip(row.group.runs, curves, strict=True) if not alone else ():
            figure.add_scatter(
                x=[x for x, _ in curve],
                y=[y for _, y in curve],
                mode="lines",
                line={"color": style.colour, "width": 1 if thin else 2, "dash": style.dash},
                opacity=0.35 if thin else 1,
                meta=name,
                hovertemplate=f"{title}, seed {run.seed}<br>%{{x:,}} images: "
                "%{y:.2f} %<extra></extra>",
            )
        if thin and curves[0]:
            columns = zip(*curves, strict=True)
            figure.add_scatter(
                x=[x for x, _ in curves[0]],
                y=[sum(y for _, y in points) / len(points) for points in columns],
                mode="lines",
                line={"color": style.colour, "width": 2.5, "dash": style.dash},
                meta=name,
                hoverinfo=None if alone else "skip",
                hovertemplate=f"{title}<br>%{{x:,}} images: %{{y:.2f}} %<extra></extra>"
                if alone
                else None,
            )
    return figure


def _curve(result: Result) -> list[tuple[float, float]]:
    return [(x, 100 * y) for x, y in result.training.get("curve") or []]
