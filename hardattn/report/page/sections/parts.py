"""The parts of a page about one set of scenes, in order, each with what made it, as HTML."""

import json
from collections.abc import Callable, Sequence
from html import escape
from typing import Any, NamedTuple

from hardattn.report.faults import Fault, spared
from hardattn.report.page.charts import Chart, Style
from hardattn.report.page.sections import calibration, cost, failures, looked, symptoms
from hardattn.report.page.sections.gallery import gallery, looking, with_examples
from hardattn.report.page.sections.maps import attending, bar, heat, maps
from hardattn.report.page.sections.player import player
from hardattn.report.page.sections.provenance import origin
from hardattn.report.page.sections.swaps import swaps
from hardattn.report.page.sections.table import grid, swatch
from hardattn.report.policy_gain import gain_of
from hardattn.report.render.print import Figure, inline, legend
from hardattn.report.rows import Row, Table
from hardattn.report.runs import boxed

WAYS = '<span class="key" role="img" aria-label="blue to yellow"></span>'


class Part(NamedTuple):
    """A heading and what stands below it."""

    key: str
    title: str
    html: str


Draw = Callable[[Table, dict[str, Any]], str]


def parts(
    table: Table,
    number: int,
    look: dict[str, Style],
    figures: dict[str, Any],
    command: str,
    printable: Sequence[Figure],
    faults: list[Fault] | None = None,
) -> list[Part]:
    """Those that have something to show. number: of the table in its page. figures: takes in what
    is drawn by a script, by the id of its place. faults: takes in who is left out of which part,
    because it cannot be drawn there.
    """

    def part(key: str, title: str, draw: Draw) -> Part:
        return Part(key, title, _spared(table, title, draw, figures, faults))

    found = [
        part("looks", "Look by look", lambda some, _: _player(some, number)),
        part("table", "All figures", lambda some, _: _grid(some, look)),
        part(
            "cost",
            "Error, and what it costs",
            lambda some, drawn: _charts(some, number, look, drawn),
        ),
        part("looked", "Right because it looked there?", lambda some, _: _looked(some)),
        part("gain", "Did looking there matter?", lambda some, _: _swaps(some)),
        part("symptoms", "Is anything wrong with where it looks?", lambda some, _: _symptoms(some)),
        part(
            "trust",
            "Does it know when it is wrong?",
            lambda some, drawn: _trust(some, number, look, drawn),
        ),
        *(
            Part(f"figure-{one.key}", one.title, _printable(one, command))
            for one in printable
            if one.scenes == table.scenes
        ),
        part("maps", "Where they attended", lambda some, _: _maps(some, number)),
        part("paths", "Where they looked, and what they saw", lambda some, _: _looks(some)),
        part("failures", "Where they were wrong", lambda some, _: _failures(some)),
    ]
    return [part for part in found if part.html]


def _spared(
    table: Table,
    title: str,
    draw: Draw,
    figures: dict[str, Any],
    faults: list[Fault] | None,
) -> str:
    """A part of all rows that can be drawn, and a line on each that cannot."""

    def drawn(rows: Sequence[Row]) -> tuple[str, dict[str, Any]]:
        own: dict[str, Any] = {}
        return draw(_only(table, rows), own), own

    made, missing = spared(table.rows, drawn, lambda row: row.title, f"“{title}”")
    html, own = made or ("", {})
    figures.update(own)
    if faults is not None:
        faults += missing
    return html + "".join(f'<p class="soft fault">{escape(str(one))}.</p>' for one in missing)


def _only(table: Table, rows: Sequence[Row]) -> Table:
    """The table of some of its rows, in its own order; classes without any are dropped."""
    names = {row.group.name for row in rows}
    parts = [
        (sees, tuple(row for row in here if row.group.name in names))
        for sees, here in table.sections
    ]
    return Table(table.scenes, tuple(part for part in parts if part[1]))


def _framed(table: Table, words: str, otherwise: str = "") -> str:
    """Words on the target's frame, where scenes have one; of no other is its place known."""
    return words if all(boxed(row.group.first) for row in table.rows) else otherwise


def _shown(words: str, html: str, caption: str) -> str:
    """How to read it, what there is to see, which runs it is of; "" where there is nothing."""
    if not html:
        return ""
    return f'<p class="soft">{words}</p><figure>{html}<figcaption>{caption}</figcaption></figure>'


def _grid(table: Table, look: dict[str, Style]) -> str:
    return f'{grid(table, look)}<p class="made soft">{origin(table.rows)}</p>'


def _player(table: Table, number: int) -> str:
    words = (
        "The first test scenes, not chosen. Choose a scene and two agents, and step: by the "
        "buttons, or by the arrow keys. What was not looked at yet is dark, what was seen coarsely "
        f"in between; looks are numbered from first {WAYS} to last,"
        f"{_framed(table, ' the dashed frame is the target,')} and the true answer is underlined."
    )
    origins = origin(with_examples(table), first=True)
    return _shown(words, player(table, number), origins)


def _charts(table: Table, number: int, look: dict[str, Style], figures: dict[str, Any]) -> str:
    shown = "".join(_chart(one, number, figures) for one in cost.charts(table, look))
    return (
        f'{_legend(table, look)}<figure><div class="charts">{shown}</div>{cost.summary(table)}'
        f"<figcaption>{origin(table.rows)}</figcaption></figure>"
    )


def _chart(chart: Chart, number: int, figures: dict[str, Any]) -> str:
    name = f"chart-{number}-{chart.key}"
    figures[name] = json.loads(chart.figure.to_json())
    return (
        f'<div class="chart"><h3>{escape(chart.title)}</h3><p>{escape(chart.reading)}</p>'
        f'<div class="plot" id="{name}"></div></div>'
    )


def _looked(table: Table) -> str:
    found = looked.looking(table)
    words = (
        "Percent of the test scenes. Looked: a look that the agent chose, or the largest value of "
        "its map, lies in the target's frame. Right answers where it missed are right for another "
        "reason."
    )
    return _shown(words, looked.looked(found), origin([row for row, _ in found]))


def _trust(table: Table, number: int, look: dict[str, Style], figures: dict[str, Any]) -> str:
    shown = "".join(_chart(one, number, figures) for one in calibration.charts(table, look))
    if not shown:
        return ""
    made = origin(table.rows)
    return f'<figure><div class="charts">{shown}</div><figcaption>{made}</figcaption></figure>'


def _swaps(table: Table) -> str:
    gains = [(row, found) for row in table.rows if (found := gain_of(row.group)) is not None]
    words = (
        "Points of error more when, after training, the observer is kept and somebody else chooses "
        "its looks; of soft attention, its maps. Near 0 it did not matter where it looked, below 0 "
        "the others look better. In brackets 95 % intervals, over training seeds; of a single one "
        "over test scenes."
    )
    html = swaps([(row.title, found) for row, found in gains], table.decimals)
    return _shown(words, html, origin([row for row, _ in gains]))


def _symptoms(table: Table) -> str:
    words = (
        "Percent of the test scenes. Dead: looks stay where they are, or the map is empty. "
        "Saturated: at the edge of the image, or all gates open. Uniform: the map is nearly even. "
        "Collapsed: the same as for every image. Centre-biased: at the centre, where the target is "
        "not. Captured: settled on something that is not the target. – cannot be told."
    )
    return _shown(words, symptoms.symptoms(table), origin(table.rows))


def _maps(table: Table, number: int) -> str:
    rows = attending(table)
    if not rows:
        return ""
    words = (
        "The first test scenes, not chosen, and below each the agent's map: of the last block; of "
        "looks over cells, where they fell. Where an agent has no map of places it is the class "
        f"activation: what the answer is read from.{_framed(table, ' The frame is the target.')} "
        "Below each map the ratio of its maximum to its mean. Colours are the same for all maps, "
        "and say how many times the map's mean a cell is: a flat map, of ratio 1, is one dark "
        f"blue. {bar()}"
    )
    html = f"{heat(rows, table, number)}{_found(table)}"
    return _shown(words, html, origin(rows, first=True))


def _found(table: Table) -> str:
    html = maps(table)
    said = (
        "Percent, means over seeds; a centre map and a random map never saw an image. PxAP takes "
        "the frame for the object's outline."
    )
    return f'{html}<p class="soft">{said}</p>' if html else ""


def _looks(table: Table) -> str:
    rows = looking(table)
    if not rows:
        return ""
    words = (
        f"The first test scenes, not chosen; greedy looks, numbered from first {WAYS} to last. "
        f"Squares are what a look covers{_framed(table, ', the dashed frame is the target')}. "
        "Below each scene: what was handed to the agent, look by look, then its answer and how "
        "sure it was."
    )
    return _shown(words, gallery(rows), origin(rows, first=True))


def _failures(table: Table) -> str:
    words = (
        "Chosen for being wrong: the test scenes that each agent was surest of and wrong about. "
        f"{_framed(table, 'Paths, maps and frames', 'Paths and maps')} as above."
    )
    origins = origin(with_examples(table), first=True)
    return _shown(words, failures.gallery(table), origins)


def _printable(figure: Figure, command: str) -> str:
    """command: what made the page, which need not be said of a figure."""
    chips = "".join(
        f'<span><span class="swatch" style="--c:{one.colour}"></span>{escape(one.label)}</span>'
        for one in legend(figure)
    )
    panels = "".join(f"<div>{inline(panel)}</div>" for panel in figure.panels)
    other = figure.command not in ("", command)
    made = f" Made by <code>{escape(figure.command)}</code>." if other else ""
    return (
        f'<figure class="print">'
        f'<div class="legend">{chips}</div><div class="panels">{panels}</div>'
        f"<figcaption>{escape(figure.caption)}{made}</figcaption></figure>"
    )


def _legend(table: Table, look: dict[str, Style]) -> str:
    """One legend for all curves of a table, class by class; each entry hides and shows its row."""
    parts = []
    for sees, rows in table.sections:
        parts.append(f'<span class="of">{escape(sees)}</span>')
        parts += [
            f'<button class="chip" aria-pressed="true" data-name="{escape(row.group.name)}" '
            f'data-title="{escape(row.title)}">'
            f"{swatch(look[row.group.name])}{escape(row.title)}</button>"
            for row in rows
        ]
    return f'<div class="legend">{"".join(parts)}</div>'
