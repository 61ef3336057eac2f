"""How rows are drawn, and axes, lines and bands that charts share, as plotly figures.

Colours of text and grid are the page's to set.
"""

from collections.abc import Sequence
from html import escape
from typing import Any, NamedTuple

import plotly.graph_objects as go

from hardattn.report.page.theme import GREYS, PALETTE
from hardattn.report.rows import Row, Table
from hardattn.statistics.intervals import Estimate

MARKERS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "hexagon", "pentagon")
FEW = 8  # rows whose bands can be told apart


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


def line(
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
        customdata=[interval(one) for one in curve],
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


def interval(estimate: Estimate) -> str:
    """An interval as it is shown when pointed at; "" of none."""
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
