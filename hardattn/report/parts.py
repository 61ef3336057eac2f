"""The parts of a page about one set of scenes, in order, each with what made it, as HTML."""

import json
from collections.abc import Sequence
from html import escape
from typing import Any, NamedTuple

from hardattn.report import failures, pareto, trust
from hardattn.report.charts import Chart, Style, charts
from hardattn.report.gallery import gallery, looking, with_examples
from hardattn.report.grid import grid, swatch
from hardattn.report.heat import attending, bar, heat
from hardattn.report.player import player
from hardattn.report.plot import Figure, inline, legend
from hardattn.report.runs import origin
from hardattn.report.swaps import swaps
from hardattn.report.table import Table

WAYS = '<span class="key" role="img" aria-label="blue to yellow"></span>'


class Part(NamedTuple):
    """A heading and what stands below it."""

    key: str
    title: str
    html: str


def parts(
    table: Table,
    number: int,
    look: dict[str, Style],
    figures: dict[str, Any],
    command: str,
    printable: Sequence[Figure],
) -> list[Part]:
    """Those that have something to show. number: of the table in its page. figures: takes in what
    is drawn by a script, by the id of its place.
    """
    made = origin(table.rows, command)
    found = [
        Part("looks", "Look by look", _player(table, number, command)),
        Part("table", "All figures", f'{grid(table, look)}<p class="made soft">{made}</p>'),
        Part("cost", "Error, and what it costs", _charts(table, number, look, figures, made)),
        Part("looked", "Right because it looked there?", _looked(table, command)),
        Part("gain", "Did looking there matter?", _swaps(table, command)),
        Part("symptoms", "Is anything wrong with where it looks?", _symptoms(table, made)),
        Part("trust", "Does it know when it is wrong?", _trust(table, number, look, figures, made)),
        *(
            Part(f"figure-{one.key}", one.title, _printable(one))
            for one in printable
            if one.scenes == table.scenes
        ),
        Part("maps", "Where they attended", _maps(table, number, command)),
        Part("paths", "Where they looked, and what they saw", _looks(table, command)),
        Part("failures", "Where they were wrong", _failures(table, command)),
    ]
    return [part for part in found if part.html]


def _shown(words: str, html: str, caption: str) -> str:
    """How to read it, what there is to see, which runs it is of; "" where there is nothing."""
    if not html:
        return ""
    return f'<p class="soft">{words}</p><figure>{html}<figcaption>{caption}</figcaption></figure>'


def _player(table: Table, number: int, command: str) -> str:
    words = (
        "The first test scenes, not chosen. Choose a scene and two agents, and step: by the "
        "buttons, or by the arrow keys. What was not looked at yet is dark, what was seen coarsely "
        f"in between; looks are numbered from first {WAYS} to last, the dashed frame is the "
        "target, and the true answer is underlined."
    )
    origins = origin(with_examples(table), command, first=True)
    return _shown(words, player(table, number), origins)


def _charts(
    table: Table, number: int, look: dict[str, Style], figures: dict[str, Any], made: str
) -> str:
    shown = "".join(_chart(one, number, figures) for one in charts(table, look))
    return (
        f'{_legend(table, look)}<figure><div class="charts">{shown}</div>{pareto.summary(table)}'
        f"<figcaption>{made}</figcaption></figure>"
    )


def _chart(chart: Chart, number: int, figures: dict[str, Any]) -> str:
    name = f"chart-{number}-{chart.key}"
    figures[name] = json.loads(chart.figure.to_json())
    return (
        f'<div class="chart"><h3>{escape(chart.title)}</h3><p>{escape(chart.reading)}</p>'
        f'<div class="plot" id="{name}"></div></div>'
    )


def _looked(table: Table, command: str) -> str:
    found = trust.looking(table)
    words = (
        "Percent of the test scenes. Looked: a look that the agent chose, or the largest value of "
        "its map, lies in the target's frame. Right answers where it missed are right for another "
        "reason."
    )
    return _shown(words, trust.looked(found), origin([row for row, _ in found], command))


def _trust(
    table: Table, number: int, look: dict[str, Style], figures: dict[str, Any], made: str
) -> str:
    shown = "".join(_chart(one, number, figures) for one in trust.charts(table, look))
    if not shown:
        return ""
    return f'<figure><div class="charts">{shown}</div><figcaption>{made}</figcaption></figure>'


def _swaps(table: Table, command: str) -> str:
    rows = [row for row in table.rows if any(run.gain for run in row.group.runs)]
    words = (
        "Points of error more when, after training, the observer is kept and somebody else chooses "
        "its looks; of soft attention, its maps. Near 0 it did not matter where it looked, below 0 "
        "the others look better. In brackets 95 % intervals, over training seeds; of a single one "
        "over test scenes."
    )
    html = swaps([(row.title, row.group) for row in rows], table.decimals)
    return _shown(words, html, origin(rows, command))


def _symptoms(table: Table, made: str) -> str:
    words = (
        "Percent of the test scenes. Dead: looks stay where they are, or the map is empty. "
        "Saturated: at the edge of the image, or all gates open. Uniform: the map is nearly even. "
        "Collapsed: the same as for every image. Centre-biased: at the centre, where the target is "
        "not. Captured: settled on something that is not the target. – cannot be told."
    )
    return _shown(words, trust.symptoms(table), made)


def _maps(table: Table, number: int, command: str) -> str:
    rows = attending(table)
    if not rows:
        return ""
    words = (
        "The first test scenes, not chosen, and below each the agent's map: of the last block; of "
        "looks over cells, where they fell. Where an agent has no map of places it is the class "
        "activation: what the answer is read from. The frame is the target. Below each map the "
        "ratio of its maximum to its mean. Colours are the same for all maps, and say how many "
        "times the map's mean a cell is: a flat map, of ratio 1, is one dark blue. "
        f"{bar()}"
    )
    html = f"{heat(rows, table, number)}{_found(table)}"
    return _shown(words, html, origin(rows, command, first=True))


def _found(table: Table) -> str:
    html = trust.maps(table)
    said = (
        "Percent, means over seeds; a centre map and a random map never saw an image. PxAP takes "
        "the frame for the object's outline."
    )
    return f'{html}<p class="soft">{said}</p>' if html else ""


def _looks(table: Table, command: str) -> str:
    rows = looking(table)
    if not rows:
        return ""
    words = (
        f"The first test scenes, not chosen; greedy looks, numbered from first {WAYS} to last. "
        "Squares are what a look covers, the dashed frame is the target. Below each scene: what "
        "was handed to the agent, look by look, then its answer and how sure it was."
    )
    return _shown(words, gallery(rows), origin(rows, command, first=True))


def _failures(table: Table, command: str) -> str:
    words = (
        "Chosen for being wrong: the test scenes that each agent was surest of and wrong about. "
        "Paths, maps and frames as above."
    )
    origins = origin(with_examples(table), command, first=True)
    return _shown(words, failures.gallery(table), origins)


def _printable(figure: Figure) -> str:
    chips = "".join(
        f'<span><span class="swatch" style="--c:{one.colour}"></span>{escape(one.label)}</span>'
        for one in legend(figure)
    )
    panels = "".join(f"<div>{inline(panel)}</div>" for panel in figure.panels)
    made = f" Made by <code>{escape(figure.command)}</code>." if figure.command else ""
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
