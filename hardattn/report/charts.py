"""Curves of the page, as plotly figures: colours of text and grid are the page's to set."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from hardattn.report.table import MANY, Row, Table, error_after, pixels
from hardattn.report.theme import GREYS, PALETTE
from hardattn.stats import Estimate

MARKERS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "hexagon", "pentagon")


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
    """Error against looks and pixels seen, where any were chosen; against operations and pointing,
    where they were measured; and validation error against training images.
    """
    after = {row.group.name: error_after(row.group) for row in table.rows}
    looking = [
        Chart(
            "looks",
            "Error after each look",
            "Bands are 95 % intervals. A line across the whole width saw everything in one look.",
            _against_looks(table, styles, after),
        ),
        Chart(
            "pixels",
            "Error against pixels seen",
            "What each answer cost in pixels, on a logarithmic scale: lower left is better.",
            _against_pixels(table, styles, after),
        ),
    ]
    cost = Chart(
        "flops",
        "Error against operations",
        "Million operations for one image, on a logarithmic scale, with 95 % intervals: lower left "
        "is better.",
        _against(table, styles, "MFLOP", [row.flops and row.flops / 1e6 for row in table.rows]),
    )
    cost.figure.update_xaxes(type="log")
    pointing = Chart(
        "pointing",
        "Error against pointing",
        "Whether who attends to the target answers right, with 95 % intervals: lower right does "
        "both.",
        _against(table, styles, "pointing, %", [row.pointing for row in table.rows]),
    )
    training = Chart(
        "training",
        "Validation error while learning",
        "Means over training seeds."
        if len(table.rows) > MANY
        else "One thin line a training seed; the thick one is their mean.",
        _while_training(table, styles),
    )
    return [
        *(looking if max(map(len, after.values())) > 1 else []),
        *(chart for chart in (cost, pointing) if chart.figure.data),
        training,
    ]


def _against_looks(
    table: Table, styles: dict[str, Style], after: dict[str, list[Estimate]]
) -> go.Figure:
    figure = _figure("looks", "test error, %")
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
    figure = _figure("pixels seen", "test error, %")
    for row in table.rows:
        curve = after[row.group.name]
        at = [pixels(row.group, look) for look in range(1, len(curve) + 1)]
        _line(figure, row, styles, at, curve, "%{x:,} pixels")
    marks = [mark * 10**power for power in range(9) for mark in (1, 2, 5)]
    figure.update_xaxes(type="log", tickvals=marks, ticktext=[f"{mark:,}" for mark in marks])
    return figure


def _against(
    table: Table, styles: dict[str, Style], what: str, values: Sequence[float | None]
) -> go.Figure:
    """A point a row that has a value."""
    figure = _figure(what, "test error, %")
    for row, value in zip(table.rows, values, strict=True):
        if value is not None:
            _line(figure, row, styles, [value], [row.error], "%{x:,.4g}")
    return figure


def _while_training(table: Table, styles: dict[str, Style]) -> go.Figure:
    figure = _figure("training images", "validation error, %")
    for row in table.rows:
        style, name = styles[row.group.name], row.group.name
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
                hovertemplate=f"{row.title}, seed {run.seed}<br>%{{x:,}} images: "
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
                hovertemplate=f"{row.title}<br>%{{x:,}} images: %{{y:.2f}} %<extra></extra>"
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
) -> None:
    style, name = styles[row.group.name], row.group.name
    low = [one.low for one in curve if one.low is not None]
    high = [one.high for one in curve if one.high is not None]
    banded = len(low) == len(high) == len(curve)
    if banded and len(curve) > 1:
        figure.add_scatter(
            x=[*at, *reversed(at)],
            y=[*high, *reversed(low)],
            fill="toself",
            fillcolor=_clear(style.colour, 0.16),
            line={"width": 0},
            mode="lines",
            meta=name,
            hoverinfo="skip",
        )
    bars = None
    if banded and len(curve) == 1:
        point = curve[0].point
        bars = {"array": [high[0] - point], "arrayminus": [point - low[0]], "thickness": 1.5}
    figure.add_scatter(
        x=list(at),
        y=[one.point for one in curve],
        error_y=bars,
        mode="lines+markers" if marked else "lines",
        line={"color": style.colour, "width": 2, "dash": style.dash},
        marker={"symbol": style.marker, "size": 7},
        meta=name,
        customdata=[_hover(one) for one in curve],
        hovertemplate=f"{row.title} ({row.sees})<br>{where}: %{{y:.2f}} %%{{customdata}}"
        "<extra></extra>",
    )


def _hover(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f" [{estimate.low:.2f}, {estimate.high:.2f}]"


def _clear(colour: str, alpha: float) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


def _figure(x: str, y: str) -> go.Figure:
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
