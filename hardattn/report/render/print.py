"""Figures that can be printed: curves with bands, and final values with intervals.

Drawn by matplotlib: panel by panel as SVG in a page, whose colours it takes, and whole for print.
"""

import io
import math
import re
import textwrap
from collections.abc import Callable, Sequence
from html import escape
from itertools import zip_longest
from typing import Any, NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from hardattn.statistics.intervals import Estimate

WIDE = 7.0  # inches: both columns of a paper
PANEL = (3.3, 2.5)
ABREAST = 2  # panels
ONE_LINE = 7  # entries of a legend
SMALL = 6.5  # points: letters of the caption
INK, SOFT, GRID = "#16191d", "#4d5660", "#dfe3e8"
# What stands for these in a page, dark or light.
PAGE = {INK: "var(--ink)", SOFT: "var(--soft)", GRID: "var(--grid)"}
MARKS = tuple(mark * 10.0**power for power in range(-6, 7) for mark in (1, 2, 5))
LOOK: Any = {
    # It comes with matplotlib, so that every machine draws the same.
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.size": 7.5,
    "text.color": INK,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": SOFT,
    "axes.titlecolor": SOFT,
    "axes.titlesize": "medium",
    "axes.titlelocation": "left",
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.6,
    "lines.markeredgewidth": 0.8,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.borderpad": 0,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 300,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "hardattn",
}


class Series(NamedTuple):
    """What the training seeds of one recipe gave: their mean with its interval, and each one."""

    label: str
    colour: str
    marker: str  # matplotlib's name
    x: tuple[float, ...]
    mean: tuple[Estimate, ...]  # one for each x
    seeds: tuple[tuple[float, ...], ...]  # a row a seed, one for each x


class Curves(NamedTuple):
    """Values against x: means as lines, intervals as bands, seeds thin."""

    x: str
    y: str
    series: tuple[Series, ...]
    start: float = 0.0  # of the axis of x
    log: bool = True  # whether the axis of y is; else it ends at 1, and at 0 or below
    log_x: bool = False  # whether that of x is, which then begins where the first value lies


class Dots(NamedTuple):
    """A row a series, of its one value or none: the mean, its interval as a bar, seeds as rings."""

    value: str
    series: tuple[Series, ...]
    decimals: int


class Figure(NamedTuple):
    """Panels on the same scenes, and what is to be said of them."""

    key: str  # also a file's name
    scenes: str
    title: str
    panels: tuple[Curves | Dots, ...]
    caption: str
    command: str  # what made it


def legend(figure: Figure) -> list[Series]:
    """What its curves need to be told apart by, each once; rows of dots have their names."""
    curves = [panel for panel in figure.panels if isinstance(panel, Curves)]
    return list({one.label: one for panel in curves for one in panel.series}.values())


def inline(panel: Curves | Dots) -> str:
    """A panel as SVG in a page: in its letters and colours, as wide as there is room."""
    with matplotlib.rc_context(LOOK):
        canvas = Canvas(PANEL)
        draw(panel, canvas.subplots())
        svg = _svg(canvas, {}, transparent=True)
    what = f"{panel.y} against {panel.x}" if isinstance(panel, Curves) else panel.value
    words = escape(f"{what}: {', '.join(one.label for one in panel.series)}")
    body = svg.partition("<svg ")[2].partition(">")[2]
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r"font-family: [^;\"]*;", "", body)
    for colour, name in PAGE.items():
        body = body.replace(colour, name)
    wide, high = (72 * side for side in PANEL)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {wide:g} {high:g}" stroke-linejoin="round" role="img" '
        f'aria-label="{words}">{body}'
    )


def printed(figure: Figure) -> dict[str, bytes]:
    """The whole figure by file ending, on white, with what it shows in its metadata."""
    title, said = figure.title, f"{figure.caption} Made by {figure.command}."
    pdf, png = io.BytesIO(), io.BytesIO()
    with matplotlib.rc_context(LOOK):
        canvas = whole(figure)
        about = {"Title": title, "Subject": said, "CreationDate": None}
        canvas.savefig(pdf, format="pdf", metadata=about)
        canvas.savefig(png, format="png", metadata={"Title": title, "Description": said})
        svg = _svg(canvas, {"Title": title, "Description": said})
    return {"pdf": pdf.getvalue(), "png": png.getvalue(), "svg": svg.encode()}


def whole(figure: Figure) -> Canvas:
    """Title, legend, panels two by two and caption, seven inches wide."""
    lines = textwrap.wrap(
        f"{figure.caption} Made by {figure.command}.", 140, break_on_hyphens=False
    )
    rows = math.ceil(len(figure.panels) / ABREAST)
    canvas = Canvas((WIDE, rows * PANEL[1] + 0.6 + 0.12 * len(lines)))
    canvas.set_layout_engine("constrained", wspace=0.06)
    places = canvas.subplots(rows, ABREAST, squeeze=False).flat
    for panel, axes in zip_longest(figure.panels, places):
        if panel is None:
            axes.remove()
        else:
            draw(panel, axes)
    canvas.legend(
        handles=[
            Line2D([], [], color=one.colour, marker=one.marker, markersize=4.5, label=one.label)
            for one in legend(figure)
        ],
        loc="outside upper left",
        ncols=_columns(len(legend(figure))),
        title=figure.title,
        title_fontproperties={"size": 11, "weight": "bold"},
        alignment="left",
    )
    canvas.supxlabel(
        "\n".join(lines), x=0.006, ha="left", fontsize=SMALL, color=SOFT, linespacing=1.4
    )
    return canvas


def _columns(entries: int) -> int:
    """Of a legend: one line, unless names would no longer fit beside each other."""
    if entries <= ONE_LINE:
        return max(1, entries)
    return 4 if entries <= 12 else 3  # among so many some names are long


def draw(panel: Curves | Dots, axes: Axes) -> None:
    """One panel, on axes that are its own."""
    if isinstance(panel, Curves):
        _curves(panel, axes)
    else:
        _dots(panel, axes)


def _curves(panel: Curves, axes: Axes) -> None:
    axes.grid(visible=False, axis="x")
    axes.set_title(panel.y)
    axes.set_xlabel(panel.x)
    if panel.log:
        axes.set_yscale("log")
        cut = _logarithmic(axes.yaxis, axes.set_ylim, panel.series)
    else:
        cut = _linear(axes.set_ylim, panel.series)
    for one in panel.series:
        style: dict[str, Any] = {"color": one.colour, "clip_on": False, "zorder": 3}
        spans = [
            (x, cut(mean.low), cut(mean.high))
            for x, mean in zip(one.x, one.mean, strict=True)
            if mean.low is not None and mean.high is not None
        ]
        if len(spans) > 1:
            at, low, high = zip(*spans, strict=True)
            axes.fill_between(at, low, high, color=one.colour, alpha=0.15, linewidth=0)
        for seed in one.seeds if len(one.seeds) > 1 else ():
            axes.plot(one.x, [*map(cut, seed)], color=one.colour, linewidth=0.5, alpha=0.6)
        axes.plot(one.x, [cut(mean.point) for mean in one.mean], **style)
        for x, mean in zip(one.x, one.mean, strict=True):
            said = f"tip {one.label}, {x:,g}: {_said(mean)}"
            axes.plot(x, cut(mean.point), one.marker, markersize=4, gid=said, **style)
    last = max((x for one in panel.series for x in one.x), default=panel.start + 1)
    if panel.log_x:
        first = min((x for one in panel.series for x in one.x), default=last / 10)
        axes.set_xscale("log")
        axes.set_xlim(first / 1.2, 1.2 * last)
        axes.xaxis.set_minor_locator(NullLocator())
        if last < 100 * first:  # powers of ten would be none or one
            marks = [mark for mark in MARKS if first / 1.2 <= mark <= 1.2 * last]
            axes.xaxis.set_major_locator(FixedLocator(marks))
            axes.xaxis.set_major_formatter(FuncFormatter(mark_text))
        return
    axes.set_xlim(panel.start, last)
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(mark_text))


def mark_text(value: float, _: int | None = None) -> str:
    """What stands at a mark of an axis: "0.05", "2,000", "50k", "1.5M"; short, so none collide."""
    for unit, letter in ((10**6, "M"), (10**3, "k")):
        if value >= max(unit, 10**4):
            return f"{value / unit:g}{letter}"
    return f"{value:,g}"


def _dots(panel: Dots, axes: Axes) -> None:
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(panel.value)
    axes.set_xscale("log")
    cut = _logarithmic(axes.xaxis, axes.set_xlim, panel.series)
    axes.set_yticks(range(len(panel.series)), [one.label for one in panel.series], color=INK)
    axes.set_ylim(len(panel.series) - 0.5, -0.5)
    for y, one in enumerate(panel.series):
        style: dict[str, Any] = {"color": one.colour, "clip_on": False, "zorder": 3}
        word, ink = "none", SOFT
        for mean in one.mean:
            word, ink = f"{mean.point:.{panel.decimals}f}", INK
            if mean.low is not None and mean.high is not None:
                bar = [cut(mean.low), cut(mean.high)]
                axes.plot(bar, [y, y], color=one.colour, lw=4.5, alpha=0.3, solid_capstyle="butt")
            for seed in one.seeds if len(one.seeds) > 1 else ():
                axes.plot(cut(seed[0]), y, "o", markersize=3.6, fillstyle="none", **style)
            said = f"tip {one.label}: {_said(mean)}"
            axes.plot(cut(mean.point), y, one.marker, markersize=5.5, gid=said, **style)
        beside: Any = ("axes fraction", "data")
        words = axes.annotate(word, (1, y), (27, 0), beside, "offset points", color=ink)
        words.set(horizontalalignment="right", verticalalignment="center_baseline")


def _logarithmic(
    axis: Axis, limit: Callable[[float, float], Any], series: Sequence[Series]
) -> Callable[[float], float]:
    """Make it end at 1, 2 or 5 times powers of ten; returns what puts on an end what is beyond.

    All that was measured is inside, and the intervals' upper ends are. Where something was 0, the
    lower end is called so, and lies below all else.
    """
    measured = [value for one in series for seed in one.seeds for value in seed]
    seen, zero = [value for value in measured if value > 0], any(value <= 0 for value in measured)
    ends = [mean.high for one in series for mean in one.mean if mean.high is not None]
    least = min(seen, default=1.0)
    below = [mark for mark in MARKS if mark < least or (mark == least and not zero)]
    first = max(below, default=MARKS[0])
    top = max([*seen, *ends], default=1.0)
    last = next((mark for mark in MARKS if mark >= top and mark > first), MARKS[-1])
    axis.set_major_locator(FixedLocator([mark for mark in MARKS if first <= mark <= last]))
    axis.set_major_formatter(
        FuncFormatter(lambda value, _: "0" if zero and value <= first else mark_text(value))
    )
    axis.set_minor_locator(NullLocator())
    limit(first, last)
    return lambda value: min(max(value, first), last)


def _linear(
    limit: Callable[[float, float], Any], series: Sequence[Series]
) -> Callable[[float], float]:
    """As `_logarithmic`, for values of at most 1 of which a few may lie below 0."""
    seen = [value for one in series for seed in one.seeds for value in seed]
    first = math.floor(10 * min(0.0, *seen)) / 10
    limit(first, 1.0)
    return lambda value: min(max(value, first), 1.0)


def _svg(canvas: Canvas, metadata: dict[str, str], transparent: bool = False) -> str:
    """With a title on each mark, where one can point, from its id."""
    buffer = io.StringIO()
    about = {**metadata, "Date": None}
    canvas.savefig(buffer, format="svg", metadata=about, transparent=transparent)
    titled = re.sub(r'<g id="tip ([^"]*)">', r"<g><title>\1</title>", buffer.getvalue())
    return re.sub(r'<g id="[^"]*"', "<g", titled)


def _said(mean: Estimate) -> str:
    if mean.low is None or mean.high is None:
        return f"{mean.point:.3g}"
    return f"{mean.point:.3g} [{mean.low:.3g}, {mean.high:.3g}]"
