"""One self-contained page: what was found, the table, the curves, the looks, and where from."""

import json
from collections.abc import Sequence
from html import escape
from typing import Any

from hardattn.report.charts import Style, charts, styles
from hardattn.report.columns import Column, columns, notes
from hardattn.report.gallery import gallery, looking, with_examples
from hardattn.report.heat import attending, heat
from hardattn.report.player import player
from hardattn.report.plot import Figure, inline, legend
from hardattn.report.read import Group
from hardattn.report.table import Row, Table, tables
from hardattn.report.text import seeds_text
from hardattn.report.theme import asset
from hardattn.report.words import Finding, findings

FEW = 8  # rows that captions name
FILTERED = 12  # rows beyond which there is a field to find some by
OPEN = 60  # runs that are listed without being asked for
RUN_HEADS = (
    "run",
    "seed",
    "error",
    "command",
    "commit",
    "versions",
    "ran on",
    "trained",
    "finished",
)


def page(
    groups: Sequence[Group],
    against: str | None = None,
    command: str = "",
    left_out: Sequence[str] = (),
    printable: Sequence[Figure] = (),
) -> str:
    """HTML that needs nothing else, no network either.

    against: as for `tables`. command: what made this page. left_out: runs that are not finished.
    printable: figures that stand below the curves of their scenes.
    """
    from plotly.offline import get_plotlyjs

    done = tables(groups, against)
    look = styles(done)
    figures: dict[str, Any] = {}
    sections = [
        _section(table, number, look, figures, command, printable, len(done) == 1)
        for number, table in enumerate(done)
    ]
    drawn = json.dumps(figures, separators=(",", ":")).replace("</", "<\\/")
    style = asset("page.css") + asset("player.css")
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<link rel="icon" href="data:,">',
            f"<title>hardattn: {escape(_heading(done))}</title><style>{style}</style></head>",
            f"<body><main><header>{_eyebrow(done[0]) if len(done) == 1 else ''}",
            f"<h1>{escape(_heading(done))}</h1>{_lede(done)}</header>",
            *sections,
            _runs(done, command, left_out),
            "</main>",
            f'<script type="application/json" id="charts">{drawn}</script>',
            f"<script>{get_plotlyjs()}</script><script>{asset('page.js')}</script>"
            f"<script>{asset('player.js')}</script></body></html>",
        ]
    )


def _heading(tables: Sequence[Table]) -> str:
    if len(tables) == 1:
        return _headline(tables[0])
    count = len({row.group.name for table in tables for row in table.rows})
    return f"{count} ways of looking at {len(tables)} sets of scenes"


def _headline(table: Table) -> str:
    """What the first class with a control comes to; without one, what is compared."""
    claims = [finding.headline for finding in findings(table) if finding.headline]
    count = len(table.rows)
    return claims[0] if claims else f"{count} way{'s' * (count != 1)} of looking"


def _eyebrow(table: Table) -> str:
    return f'<p class="eyebrow">{escape(table.scenes)}</p>'


def _lede(tables: Sequence[Table]) -> str:
    runs = sum(len(row.group.runs) for table in tables for row in table.rows)
    tests = sorted({_tests(row) for table in tables for row in table.rows})
    numbers = " or ".join(f"{number:,}" for number in tests)
    return (
        f'<p class="soft">{runs} trained agent{"s" * (runs != 1)}, measured on the same {numbers} '
        "test scenes by one harness. Error is that of one greedy pass. Agents are compared with "
        "those that may see as much as they do; nothing is ranked across these classes.</p>"
    )


def _tests(row: Row) -> int:
    return int(row.group.first["figures"]["greedy"]["n"])


def _section(
    table: Table,
    number: int,
    look: dict[str, Style],
    figures: dict[str, Any],
    command: str,
    printable: Sequence[Figure],
    alone: bool,
) -> str:
    made = _made(table.rows, command)
    shown = []
    for chart in charts(table, look):
        name = f"chart-{number}-{chart.key}"
        figures[name] = json.loads(chart.figure.to_json())
        shown.append(
            f'<div class="chart"><h3>{escape(chart.title)}</h3><p>{escape(chart.reading)}</p>'
            f'<div class="plot" id="{name}"></div></div>'
        )
    cards = "".join(_card(finding) for finding in findings(table))
    head = "" if alone else _eyebrow(table) + f"<h2>{escape(_headline(table))}</h2>"
    return (
        f'<section class="scenes">{head}'
        f'<div class="findings">{cards}</div>{_filter(table)}'
        f"{_player(table, number, command)}"
        f"<h2>All figures</h2>{_table(table, look)}"
        f'<p class="made soft">{made}</p>'
        f"<h2>Curves</h2>{_legend(table, look)}"
        f'<figure><div class="charts">{"".join(shown)}</div>'
        f"<figcaption>{made}</figcaption></figure>"
        f"{''.join(_printable(one) for one in printable if one.scenes == table.scenes)}"
        f"{_maps(table, number, command)}{_looks(table, command)}</section>"
    )


def _player(table: Table, number: int, command: str) -> str:
    html = player(table, number)
    if not html:
        return ""
    return (
        "<h2>Look by look</h2>"
        '<p class="soft">The first test scenes, not chosen. Choose a scene and two agents, and '
        "step: by the buttons, or by the arrow keys. What was not looked at yet is dark, what was "
        "seen coarsely in between; looks are numbered from first"
        '<span class="key" role="img" aria-label="blue to yellow"></span>to last, the dashed frame '
        "is the target, and the true answer is underlined.</p>"
        f"<figure>{html}"
        f"<figcaption>{_made(with_examples(table), command, first=True)}</figcaption></figure>"
    )


def _maps(table: Table, number: int, command: str) -> str:
    rows = attending(table)
    if not rows:
        return ""
    return (
        "<h2>Where they attended</h2>"
        '<p class="soft">The first test scenes, not chosen. Heat is the map of the last block, '
        'from nothing <span class="key heat" role="img" aria-label="clear to orange"></span> to '
        "its own largest value; of looks over cells, where they fell. Where an agent has no map "
        "of places, heat is its class activation: what the answer is read from. The frame is the "
        f"target.</p><figure>{heat(rows, table, number)}"
        f"<figcaption>{_made(rows, command, first=True)}</figcaption></figure>"
    )


def _looks(table: Table, command: str) -> str:
    rows = looking(table)
    if not rows:
        return ""
    return (
        "<h2>Where they looked, and what they saw</h2>"
        '<p class="soft">The first test scenes, not chosen; greedy looks, numbered from first'
        '<span class="key" role="img" aria-label="blue to yellow"></span>to last. Squares are '
        "what a look covers, the dashed frame is the target. Below each scene: what was handed to "
        "the agent, look by look, then its answer and how sure it was.</p>"
        f"<figure>{gallery(rows)}"
        f"<figcaption>{_made(rows, command, first=True)}</figcaption></figure>"
    )


def _filter(table: Table) -> str:
    """A field that hides the rows, curves and pictures of others; "" where there are few."""
    if len(table.rows) <= FILTERED:
        return ""
    return (
        '<label class="filter">Show only <input type="search" placeholder="parts of names" '
        'autocomplete="off" spellcheck="false"></label>'
    )


def _printable(figure: Figure) -> str:
    chips = "".join(
        f'<span><span class="swatch" style="--c:{one.colour}"></span>{escape(one.label)}</span>'
        for one in legend(figure)
    )
    panels = "".join(f"<div>{inline(panel)}</div>" for panel in figure.panels)
    made = f" Made by <code>{escape(figure.command)}</code>." if figure.command else ""
    return (
        f'<figure class="print" id="{figure.key}"><h2>{escape(figure.title)}</h2>'
        f'<div class="legend">{chips}</div><div class="panels">{panels}</div>'
        f"<figcaption>{escape(figure.caption)}{made}</figcaption></figure>"
    )


def _card(finding: Finding) -> str:
    caution = f'<p class="soft">{escape(finding.caution)}</p>' if finding.caution else ""
    return (
        f'<article class="finding"><p class="sees">{escape(finding.sees)}</p>'
        f'<p class="who">{escape(finding.best.title)}</p>'
        f'<p class="figure">{finding.figure}<small>error</small></p>'
        f'<p class="soft range">{escape(finding.range)}</p>'
        f"<p>{escape(finding.claim)}</p>{caution}</article>"
    )


def _table(table: Table, look: dict[str, Style]) -> str:
    shown = columns(table)
    # The class is a column of the data, and here a heading over its rows.
    head = "".join(
        f'<th scope="col" class="{_kind(c)}" title="{escape(c.help)}"'
        f"{_sorted_by(c)}><button>{escape(c.head)}</button></th>"
        for c in shown
    )
    bodies = []
    for sees, rows in table.sections:
        lines = "".join(_line(table, row, shown, look, row is rows[0]) for row in rows)
        bodies.append(
            f'<tbody><tr class="class"><th colspan="{len(shown)}"><span>{escape(sees)}</span></th>'
            f"</tr>{lines}</tbody>"
        )
    said = "".join(f"<li>{escape(note)}</li>" for note in notes(table, shown))
    return (
        f'<div class="scroll"><table class="sortable"><thead><tr>{head}</tr></thead>'
        f'{"".join(bodies)}</table></div><ul class="notes">{said}</ul>'
    )


def _sorted_by(column: Column) -> str:
    return ' aria-sort="ascending"' if column.key == "error" else ""


def _line(table: Table, row: Row, shown: list[Column], look: dict[str, Style], best: bool) -> str:
    cells = []
    for column in shown:
        text = escape(column.text(row, table.decimals))
        if column.key == "agent":
            text = f"{_swatch(look[row.group.name])}{text}"
        elif " [" in text:
            point, interval = text.split(" [")
            text = f'<b>{point}</b> <span class="range">[{interval}</span>'
        value = column.value(row)
        key = "" if value is None else escape(str(value))
        kind = f"{_kind(column)} {row.verdict * (column.key == 'beats')}".strip()
        cells.append(f'<td class="{kind}" data-value="{key}">{text}</td>')
    title = escape(row.title)
    return f'<tr class="row{" best" * best}" data-title="{title}">{"".join(cells)}</tr>'


def _kind(column: Column) -> str:
    if column.key == "agent":
        return "text name"
    return f"text {column.key}" if column.key in ("estimator", "beats", "control") else column.key


def _swatch(style: Style) -> str:
    return f'<span class="swatch {style.dash}" style="--c:{style.colour}"></span>'


def _legend(table: Table, look: dict[str, Style]) -> str:
    """One legend for all curves of a table, class by class; each entry hides and shows its row."""
    parts = []
    for sees, rows in table.sections:
        parts.append(f'<span class="of">{escape(sees)}</span>')
        parts += [
            f'<button class="chip" aria-pressed="true" data-name="{escape(row.group.name)}" '
            f'data-title="{escape(row.title)}">'
            f"{_swatch(look[row.group.name])}{escape(row.title)}</button>"
            for row in rows
        ]
    return f'<div class="legend">{"".join(parts)}</div>'


def _made(rows: Sequence[Row], command: str, first: bool = False) -> str:
    """Whose runs a figure shows, all seeds or the first ones, and what made it."""
    given = [(row.title, row.group.seeds[: 1 if first else None]) for row in rows]
    runs = "; ".join(f"{title} ({seeds_text(seeds)})" for title, seeds in given)
    if len(rows) > FEW:
        shared = {seeds for _, seeds in given}
        each = f" ({seeds_text(shared.pop())})" if len(shared) == 1 else ""
        runs = f"{len(rows)} rows of the table{each}"
    by = f" Made by <code>{escape(command)}</code>." if command else ""
    return f'Runs: {escape(runs)}; their commands are <a href="#runs">below</a>.{by}'


def _runs(tables: Sequence[Table], command: str, left_out: Sequence[str]) -> str:
    lines = []
    for table in tables:
        for row in table.rows:
            for run in row.group.runs:
                cells = _run_cells(row.title, run.result)
                lines.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    missing = ""
    if left_out:
        names = ", ".join(f"<code>{escape(name)}</code>" for name in left_out)
        missing = f"<p><b>Not finished, and left out:</b> {names}</p>"
    made = f'<p class="soft">This page: <code>{escape(command)}</code></p>' if command else ""
    return (
        f'<section class="scenes" id="runs"><h2>The runs</h2>{made}{missing}'
        f"<details{' open' * (len(lines) <= OPEN)}><summary>{len(lines)} runs, with their commands"
        f'</summary><div class="scroll"><table class="runs"><thead><tr>'
        f"{''.join(f'<th>{head}</th>' for head in RUN_HEADS)}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div></details></section>"
    )


def _run_cells(title: str, result: dict[str, Any]) -> list[str]:
    made, training = result["made_with"], result["training"]
    versions = [
        f"{name} {made[name]}"
        for name in ("hardattn", "torch", "numpy", "python")
        if made.get(name)
    ]
    threads = made.get("threads")
    machine = [
        made.get("device"),
        made.get("processor"),
        f"{threads} thread{'s' * (threads != 1)}" if threads else None,
    ]
    seconds = training.get("seconds")
    images = training.get("images")
    trained = [
        f"{images:,} images" if images else None,
        f"{seconds / 60:,.1f} min" if seconds else None,
    ]
    return [
        escape(title),
        str(result["seed"]),
        f"{100 * result['figures']['greedy']['error']:.2f} %",
        f"<code>{escape(result['command'])}</code>",
        f"<code>{escape(str(made.get('commit') or 'unknown'))}</code>",
        _lines(versions),
        _lines(machine),
        _lines(trained),
        _lines(str(made.get("finished") or "").split("+")[0].split("T")),
    ]


def _lines(parts: Sequence[str | None]) -> str:
    return "<br>".join(escape(str(part)) for part in parts if part)
