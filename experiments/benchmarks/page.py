"""The page of benchmarks: what was measured on each machine, as tables and as drawings."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import NamedTuple

from hardattn.report.page.theme import PALETTE
from hardattn.report.render.grid import heading, row_of

from ..kinds import Json
from .blocks import pays
from .side_by_side import percent

IMAGES = "docs/images"
TITLES = {
    "training": "Training, by agent and batch",
    "canvas": "Training, by the size of the canvas",
    "memory": "Memory, by the size of the canvas",
    "sensors": "Glimpses",
    "environments": "Environments",
    "blocks": "Attention that was invented to be cheap",
    "evaluation": "Evaluation",
    "start": "Before training begins",
    "precision": "Training in half precision",
    "gpu": "Training on a GPU",
}
WIDE, HIGH = 640, 340
LEFT, RIGHT, TOP, BOTTOM = 64, 150, 34, 44  # around the axes


class Chart(NamedTuple):
    """Lines on two logarithmic axes."""

    title: str
    x: str
    y: str
    lines: dict[str, list[tuple[float, float]]]


def markdown(results: Path) -> str:
    """The tables of all machines; "" where nothing is committed."""
    return "\n".join(line for one in machines(results) for line in _of(one))


def drawings(results: Path) -> dict[str, str]:
    """By path in a checkout, the figures of the page, as SVG."""
    found = {}
    for one in machines(results):
        for name, chart in charts(one).items():
            found[f"{IMAGES}/{_file(one, name)}"] = svg(chart)
    return found


def machines(results: Path) -> list[Json]:
    """What is committed of each, with the `file` that it is in."""
    files = sorted((results / "studies" / "bench").glob("*.json"))
    return [json.loads(path.read_text()) | {"file": path.stem} for path in files]


def _file(machine: Json, name: str) -> str:
    return f"bench-{machine['file']}-{name}.svg"


def _of(machine: Json) -> Iterator[str]:
    yield f"## {machine['machine']}"
    yield ""
    drawn = charts(machine)
    for name, title in TITLES.items():
        if name not in machine["benchmarks"]:
            continue
        one = machine["benchmarks"][name]
        made, limits = one["made_with"], one["limits"]
        yield f"### {title}"
        yield ""
        yield (
            f"`hardattn bench {name}`, commit {made['commit']}, torch {made['torch']}; beside it "
            f"the machine did {limits['gflops']:,.0f} GFLOP/s in products and copied "
            f"{limits['gigabytes']:,.1f} GB/s."
        )
        yield ""
        if name in drawn:
            yield f"![{drawn[name].title}](../images/{_file(machine, name)})"
            yield ""
        yield from table(one["rows"])
        yield ""
        if name == "blocks":
            for what, places in pays(one["rows"]).items():
                told = "never" if places is None else f"from about {places} places on"
                yield f"- {what}: pays {told}"
            yield ""


# What stands in each column.
COLUMNS: dict[str, Callable[[Json], str]] = {
    "": lambda row: str(row["what"]),
    "places": lambda row: f"{row['places']:,}" if "places" in row else "",
    "figure": lambda row: f"{_short(row['value'])} {row['unit']}",
    "median": lambda row: _short(row["median"]),
    "limit": lambda row: _short(row["limit"]) if "limit" in row else "",
    "of it": lambda row: percent(row["share"]) if "share" in row else "",
    "beyond it": lambda row: f"{row['beyond']:.2f}" if "beyond" in row else "",
    "times": lambda row: f"{row['ratio']:.3g} {row['beside']}" if "ratio" in row else "",
    "kernels": lambda row: str(row.get("kernels", "")),
}


def table(rows: list[Json]) -> Iterator[str]:
    """Of columns those of which there is something to say."""
    cells = {name: [tell(row) for row in rows] for name, tell in COLUMNS.items()}
    shown = [name for name, column in cells.items() if any(column)]
    yield from heading(shown, ("",))
    for number in range(len(rows)):
        yield row_of(cells[name][number] for name in shown)


def _short(value: float) -> str:
    """Three digits, or all before the point."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def charts(machine: Json) -> dict[str, Chart]:
    """By benchmark, what is drawn of it."""
    rows = {name: one["rows"] for name, one in machine["benchmarks"].items()}
    return {
        name: Chart(*words, lines(rows[name]))
        for name, (words, lines) in DRAWN.items()
        if name in rows
    }


def _training(rows: list[Json]) -> dict[str, list[tuple[float, float]]]:
    ram = [row for row in rows if row.get("agent") == "ram"]
    plain = next(row for row in rows if row["what"].startswith("plain RAM with its loader"))
    ends = [row["batch"] for row in ram]
    return {
        "matrix products alone": [(row["batch"], row["limit"]) for row in ram],
        "RAM": [(row["batch"], row["value"]) for row in ram],
        "plain RAM, batch 128": [(end, plain["value"]) for end in (min(ends), max(ends))],
    }


def _canvas(rows: list[Json]) -> dict[str, list[tuple[float, float]]]:
    return {
        label: [(row["canvas"], 1000 / row["value"]) for row in rows if row.get("agent") == agent]
        for label, agent in (("CNN, sees everything", "cnn"), ("RAM, six looks", "ram"))
    }


def _memory(rows: list[Json]) -> dict[str, list[tuple[float, float]]]:
    ours = [row for row in rows if row["what"].endswith("this version")]
    return {
        "RAM, batch 128": [(row["canvas"], row["value"]) for row in ours],
        "before it began": [(row["canvas"], row["limit"]) for row in ours],
    }


def _blocks(rows: list[Json]) -> dict[str, list[tuple[float, float]]]:
    names = list(dict.fromkeys(row["what"] for row in rows))
    return {
        name: [(row["places"], row["ratio"]) for row in rows if row["what"] == name]
        for name in names
    }


def _gpu(rows: list[Json]) -> dict[str, list[tuple[float, float]]]:
    names = list(dict.fromkeys(row["mode"] for row in rows if "mode" in row))
    lines = {
        f"RAM, {name}": [(row["batch"], row["value"]) for row in rows if row.get("mode") == name]
        for name in names
    }
    eager = [row for row in rows if row.get("mode") == "eager"]
    return {"matrix products alone": [(row["batch"], row["limit"]) for row in eager], **lines}


# By benchmark: title and axes, and the lines that its rows make.
DRAWN: dict[
    str,
    tuple[tuple[str, str, str], Callable[[list[Json]], dict[str, list[tuple[float, float]]]]],
] = {
    "training": (("Images a second of training", "batch", "images/s"), _training),
    "canvas": (("What an image costs in training", "side of the canvas", "CPU ms"), _canvas),
    "memory": (("The most memory that training takes", "side of the canvas", "MB"), _memory),
    "blocks": (("Times as fast as full attention", "places", "times"), _blocks),
    "gpu": (("Images a second of training on a GPU", "batch", "images/s"), _gpu),
}


def svg(chart: Chart) -> str:
    """The chart as a file that stands alone, in letters and lines; the same on every machine."""
    points = [point for line in chart.lines.values() for point in line]
    x_of = _scale([x for x, _ in points], LEFT, WIDE - RIGHT)
    y_of = _scale([y for _, y in points], HIGH - BOTTOM, TOP)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {HIGH}" '
        'font-family="sans-serif" font-size="11" fill="#333">',
        f'<rect width="{WIDE}" height="{HIGH}" fill="#fff"/>',
        f'<text x="8" y="18" font-size="13">{escape(chart.title)}</text>',
    ]
    for y in _ticks([y for _, y in points]):
        at = y_of(y)
        out.append(
            f'<path d="M{LEFT} {at}H{WIDE - RIGHT}" stroke="#ddd"/>'
            f'<text x="{LEFT - 6}" y="{at + 4}" text-anchor="end">{y:,g}</text>'
        )
    for x in sorted({x for x, _ in points}):
        out.append(
            f'<text x="{x_of(x)}" y="{HIGH - BOTTOM + 16}" text-anchor="middle">{x:,g}</text>'
        )
    out.append(f'<text x="{LEFT}" y="{HIGH - 10}">{escape(chart.x)} (across), {chart.y}</text>')
    out += _drawn(chart.lines, x_of, y_of)
    return "\n".join([*out, "</svg>"]) + "\n"


def _drawn(
    lines: Mapping[str, list[tuple[float, float]]],
    x_of: Callable[[float], float],
    y_of: Callable[[float], float],
) -> Iterator[str]:
    """Lines with a mark at what was measured, and their names, none upon another."""
    ends = sorted((y_of(line[-1][1]), name) for name, line in lines.items())
    lowest, places = -math.inf, {}
    for at, name in ends:
        lowest = max(at, lowest + 14)
        places[name] = round(lowest, 1)
    for (name, line), colour in zip(lines.items(), PALETTE * len(lines), strict=False):
        way = "L".join(f"{x_of(x)} {y_of(y)}" for x, y in line)
        yield f'<path d="M{way}" fill="none" stroke="{colour}" stroke-width="2"/>'
        for x, y in line:
            yield (
                f'<circle cx="{x_of(x)}" cy="{y_of(y)}" r="3" fill="{colour}">'
                f"<title>{escape(name)}, {x:,g}: {y:,.4g}</title></circle>"
            )
        at = x_of(line[-1][0]) + 8
        yield f'<text x="{at}" y="{places[name] + 4}" fill="{colour}">{escape(name)}</text>'


def _scale(values: list[float], start: float, end: float) -> Callable[[float], float]:
    """Logarithmic, from the least tick to the greatest value."""
    low, high = math.log(min(_ticks(values)[0], *values)), math.log(max(values))
    wide = (high - low) or 1.0
    return lambda value: round(start + (math.log(value) - low) / wide * (end - start), 1)


def _ticks(values: list[float]) -> list[float]:
    """Powers of ten among the values and just below; of a narrow range 2 and 5 times these too."""
    low, high = min(values), max(values)
    first, last = math.floor(math.log10(low)), math.floor(math.log10(high))
    steps = (1.0,) if last - first > 2 else (1.0, 2.0, 5.0)
    marks = [step * 10.0**power for power in range(first, last + 1) for step in steps]
    below = max((mark for mark in marks if mark <= low), default=marks[0])
    return [mark for mark in marks if below <= mark <= high]
