"""One self-contained page: what was found, the table, the curves, the looks, and where from."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from hardattn.report.asked import error_words
from hardattn.report.faults import Fault
from hardattn.report.findings import Finding, findings
from hardattn.report.page.charts import styles
from hardattn.report.page.context import Context
from hardattn.report.page.sections import Shown, sections
from hardattn.report.page.sections.provenance import runs
from hardattn.report.page.theme import asset, embedded
from hardattn.report.render.print import Figure
from hardattn.report.rows import Row, Table, tables
from hardattn.report.runs import Group

FILTERED = 12  # rows beyond which there is a field to find some by


def page(
    groups: Sequence[Group],
    against: str | None = None,
    command: str = "",
    left_out: Sequence[str] = (),
    printable: Sequence[Figure] = (),
    missing: Sequence[Fault] = (),
    faults: list[Fault] | None = None,
    downloads: Mapping[str, str] | None = None,
) -> str:
    """HTML that needs nothing else, no network either.

    against: as for `tables`. command: what made this page. left_out: runs that are not finished.
    printable: figures that stand below the charts of their scenes. missing: who could not be drawn
    at all. faults: takes in who is left out of a part of the page, as it cannot be drawn there.
    downloads: texts of files that can be saved from the page, by their names.
    """
    from plotly.offline import get_plotlyjs

    done = tables(groups, against)
    look = styles(done)
    contexts = [
        Context(table, number, look, command, printable) for number, table in enumerate(done)
    ]
    made = [sections(context) for context in contexts]
    charts: dict[str, Any] = {}
    for shown, missed in made:
        for one in shown:
            charts |= one.charts
        if faults is not None:
            faults += missed
    drawn = embedded(charts)
    style = asset("page.css") + asset("player.css")
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<link rel="icon" href="data:,">',
            f"<title>hardattn: {escape(_heading(done))}</title><style>{style}</style></head>",
            f"<body><main><header>{_eyebrow(done[0]) if len(done) == 1 else ''}",
            f"<h1>{escape(_heading(done))}</h1>{_lede(done)}{_contents(done)}",
            f"{_downloads(downloads or {})}</header>",
            *(
                _scenes(table, number, shown, len(done) == 1)
                for number, (table, (shown, _)) in enumerate(zip(done, made, strict=True))
            ),
            runs(done, command, left_out, [str(fault) for fault in missing]),
            "</main>",
            f'<script type="application/json" id="charts">{drawn}</script>',
            f"<script>{get_plotlyjs()}</script><script>{asset('page.js')}</script>"
            f"<script>{asset('gif.js')}</script><script>{asset('player.js')}</script>"
            "</body></html>",
        ]
    )


def _heading(tables: Sequence[Table]) -> str:
    if len(tables) == 1:
        return _headline(tables[0])
    count = len({row.group.name for table in tables for row in table.rows})
    return f"{count} ways of looking at {len(tables)} sets of scenes"


def _headline(table: Table) -> str:
    """What the first class with a control comes to; without one, what is compared; of one agent
    alone who it is, and its error.
    """
    if len(table.rows) == 1:
        (row,) = table.rows
        words = error_words(row.group.first.recipe)
        return f"{row.title}: {row.error.point:.{table.decimals}f} % {words}"
    claims = [finding.headline for finding in findings(table) if finding.headline]
    count = len(table.rows)
    return claims[0] if claims else f"{count} ways of looking"


def _eyebrow(table: Table) -> str:
    return f'<p class="eyebrow">{escape(table.scenes)}</p>'


def _lede(tables: Sequence[Table]) -> str:
    count = sum(len(row.group.runs) for table in tables for row in table.rows)
    trained = f"{count} trained agent{'s' * (count != 1)}"
    alone = len(tables) == 1 and len(tables[0].rows) == 1
    same = "the same " * (len(tables) == 1 and not alone)
    compared = (
        "Agents are compared with those that may see as much as they do; nothing is ranked across "
        "these classes."
    )
    tests = sorted({_tests(row) for table in tables for row in table.rows})
    numbers = " or ".join(f"{number:,}" for number in tests)
    return (
        f'<p class="soft">{trained}, measured on {same}{numbers} '
        f"test scenes by one harness. Error is that of one greedy pass. {'' if alone else compared}"
        "</p>"
    )


def _contents(tables: Sequence[Table]) -> str:
    """Links to the sets of scenes, where there are several."""
    if len(tables) == 1:
        return ""
    lines = "".join(
        f'<li><a href="#scenes-{number}">{escape(table.scenes)}</a>, {len(table.rows)} row'
        f"{'s' * (len(table.rows) != 1)}</li>"
        for number, table in enumerate(tables)
    )
    return f'<nav aria-label="Sets of scenes"><ul class="notes">{lines}</ul></nav>'


def _downloads(files: Mapping[str, str]) -> str:
    """Links that save what lies in the page itself, so that it may be sent alone."""
    if not files:
        return ""
    links = ", ".join(
        f'<a download="{escape(name)}" href="data:text/plain;charset=utf-8;base64,'
        f'{b64encode(text.encode()).decode()}">{escape(name)}</a>'
        for name, text in files.items()
    )
    return f'<p class="soft downloads">Its tables as files: {links}</p>'


def _tests(row: Row) -> int:
    return int(row.group.first.greedy["n"])


def _scenes(table: Table, number: int, shown: Sequence[Shown], alone: bool) -> str:
    """What was found on one set of scenes, and the sections on it."""
    cards = "".join(_card(finding) for finding in findings(table))
    head = "" if alone else _eyebrow(table) + f"<h2>{escape(_headline(table))}</h2>"
    jumps = "".join(f'<a href="#{one.key}-{number}">{escape(one.title)}</a>' for one in shown)
    body = "".join(
        f'<h2 id="{one.key}-{number}">{escape(one.title)}</h2>{one.html}' for one in shown
    )
    return (
        f'<section class="scenes" id="scenes-{number}">{head}<div class="findings">{cards}</div>'
        f'<nav class="jump" aria-label="Parts of this report">{jumps}<a href="#runs">The runs</a>'
        f"</nav>{_filter(table)}{body}</section>"
    )


def _filter(table: Table) -> str:
    """A field that hides the rows, curves and pictures of others; "" where there are few."""
    if len(table.rows) <= FILTERED:
        return ""
    return (
        '<label class="filter">Show only <input type="search" placeholder="parts of names" '
        'autocomplete="off" spellcheck="false"></label>'
    )


def _card(finding: Finding) -> str:
    caution = f'<p class="soft">{escape(finding.caution)}</p>' if finding.caution else ""
    facts = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(said)}</dd>" for name, said in finding.facts if said
    )
    words = error_words(finding.best.group.first.recipe)
    return (
        f'<article class="finding"><p class="sees">{escape(finding.sees)}</p>'
        f'<p class="who">{escape(finding.best.title)}</p>'
        f'<p class="figure">{finding.figure}<small>{words}</small></p>'
        f'<p class="soft range">{escape(finding.range)}</p>'
        f'<p>{escape(finding.claim)}</p>{caution}<dl class="facts">{facts}</dl></article>'
    )
