"""Curves of the page, as plotly figures: colours of text and grid are the page's to set."""

import math
from collections.abc import Sequence
from html import escape
from typing import Any, NamedTuple

import plotly.graph_objects as go

from hardattn.report.page.sections.cost import COSTS, Cost, Front, fronts
from hardattn.report.page.theme import GREYS, PALETTE
from hardattn.report.rows import MANY, Row, Table, error_after, pixels
from hardattn.stats import Estimate

MARKERS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "hexagon", "pentagon")
FEW = 8  # rows whose bands can be told apart
FRONTS = ("dot", "dash", "longdash", "dashdot")  # of the classes, in the table's order
SAID = {
    "pixels": "What each answer cost in pixels",
    "flops": "Million operations for one image",
    "seconds": "Seconds of training, of the processor's own clock, with quartiles over seeds",
    "latency": "Milliseconds for one image, of the processor's own clock, with quartiles of passes",
}


class Style(NamedTuple):
    """How a row is drawn, the same in every chart of the page."""

    colour: str
    dash: str
    marker: str


class Chart(NamedTuple):
    """A figure with its heading and a sentence on how to read it."""

    key: str
    title: str
    reading: str
    figure: go.Figure


def styles(tables: Sequence[Table]) -> dict[str, Style]:
    """By name: learned rows in colour, scripted controls in grey and dashed."""
    rows = {row.group.name: row for table in tables for row in table.rows}
    given: dict[str, Style] = {}
    for name, row in rows.items():
        marker = MARKERS[len(given) % len(MARKERS)]
        if row.script:
            used = sum(style.dash == "dash" for style in given.values())
            given[name] = Style(GREYS[used % len(GREYS)], "dash", marker)
        else:
            used = sum(style.dash == "solid" for style in given.values())
            given[name] = Style(PALETTE[used % len(PALETTE)], "solid", marker)
    return given


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
        _line(figure, row, styles, at, curve, "look %{x}", marked=not at_once)
    figure.update_xaxes(dtick=1 if longest <= 12 else None, range=[0.8, longest + 0.2])
    return figure


def _against_pixels(
    table: Table, styles: dict[str, Style], after: dict[str, list[Estimate]]
) -> go.Figure:
    figure = axes("pixels seen", "test error, %")
    for row in table.rows:
        curve = after[row.group.name]
        at = [pixels(row.group, look) for look in range(1, len(curve) + 1)]
        _line(figure, row, styles, at, curve, "%{x:,} pixels")
    _decades(figure, [])
    return figure


def _against(
    table: Table, styles: dict[str, Style], what: str, values: Sequence[Estimate | None]
) -> go.Figure:
    """A point a row that has a value, and how far that is known."""
    figure = axes(what, "test error, %")
    for row, value in zip(table.rows, values, strict=True):
        if value is not None:
            where = f"%{{x:,.4g}}{_hover(value)}"
            _line(figure, row, styles, [value.point], [row.error], where, known=value)
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


def _curve(result: dict[str, Any]) -> list[tuple[float, float]]:
    return [(x, 100 * y) for x, y in result["training"].get("curve") or []]


def _line(
    figure: go.Figure,
    row: Row,
    styles: dict[str, Style],
    at: Sequence[float],
    curve: list[Estimate],
    where: str,
    marked: bool = True,
    known: Estimate | None = None,
) -> None:
    """known: the interval of a single point along the other axis."""
    style, name = styles[row.group.name], row.group.name
    low = [one.low for one in curve if one.low is not None]
    high = [one.high for one in curve if one.high is not None]
    banded = len(low) == len(high) == len(curve)
    if banded and len(curve) > 1:
        figure.add_scatter(
            x=[*at, *reversed(at)],
            y=[*high, *reversed(low)],
            fill="toself",
            fillcolor=_clear(style.colour, 0.16 if len(styles) <= FEW else 0.06),
            line={"width": 0},
            mode="lines",
            meta=name,
            hoverinfo="skip",
        )
    bars = _bars(curve[0]) if len(curve) == 1 else None
    figure.add_scatter(
        x=list(at),
        y=[one.point for one in curve],
        error_x=_bars(known),
        error_y=bars,
        mode="lines+markers" if marked else "lines",
        line={"color": style.colour, "width": 2, "dash": style.dash},
        marker={"symbol": style.marker, "size": 7},
        meta=name,
        customdata=[_hover(one) for one in curve],
        hovertemplate=f"{hovered(row.title)} ({row.sees})<br>{where}: %{{y:.2f}} %%{{customdata}}"
        "<extra></extra>",
    )


def hovered(text: str) -> str:
    """Text as plotly shows it when pointed at: it reads tags, and names in %{braces}."""
    return escape(text, quote=False).replace("{", "&#123;")


def _bars(found: Estimate | None) -> dict[str, Any] | None:
    if found is None or found.low is None or found.high is None:
        return None
    above, below = found.high - found.point, found.point - found.low
    return {"array": [above], "arrayminus": [below], "thickness": 1.5}


def _hover(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f" [{estimate.low:.2f}, {estimate.high:.2f}]"


def _clear(colour: str, alpha: float) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


def trace(
    figure: go.Figure,
    row: Row,
    styles: dict[str, Style],
    x: Sequence[float],
    y: Sequence[float],
    said: str,
    data: Sequence[str] | None,
) -> None:
    """A line of a row, without an interval. said: what pointing at it shows, in plotly's terms."""
    style = styles[row.group.name]
    figure.add_scatter(
        x=list(x),
        y=list(y),
        mode="lines" if data is None else "lines+markers",
        line={"color": style.colour, "width": 2, "dash": style.dash},
        marker={"symbol": style.marker, "size": 6},
        meta=row.group.name,
        customdata=data,
        hovertemplate=f"{hovered(row.title)}<br>{said}<extra></extra>",
    )


def axes(x: str, y: str) -> go.Figure:
    """An empty figure that a page's script colours."""
    axis = {"automargin": True, "zeroline": False, "ticks": "", "showline": False}
    layout = go.Layout(
        template="none",
        showlegend=False,
        height=340,
        margin={"l": 52, "r": 10, "t": 8, "b": 44},
        hovermode="closest",
        hoverlabel={"align": "left"},
        xaxis={**axis, "title": {"text": x}},
        yaxis={**axis, "title": {"text": y}, "rangemode": "tozero"},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )
    return go.Figure(layout=layout)
