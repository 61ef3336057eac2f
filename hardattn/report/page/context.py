"""What a section of the page is given, and the frame that it puts around what it shows."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any

from hardattn.report.page.charts import Chart, Style
from hardattn.report.render.print import Figure
from hardattn.report.rows import Row, Table

WAYS = '<span class="key" role="img" aria-label="blue to yellow"></span>'  # colours of a path


@dataclass(frozen=True)
class Context:
    """A table of the page, and what its sections share.

    Args:
        table: The rows on one set of scenes.
        number: Of the table in its page, for ids that are its own.
        styles: How rows are drawn, by name.
        command: What made the page, which need not be said of a figure again.
        printable: Figures for print, of any scenes.
        charts: What the page's script is to draw, by the id of its place; `chart` adds to it.
    """

    table: Table
    number: int
    styles: dict[str, Style]
    command: str = ""
    printable: Sequence[Figure] = ()
    charts: dict[str, Any] = field(default_factory=dict)

    def of(self, rows: Sequence[Row]) -> "Context":
        """The same of some of its rows, in the table's order, where nothing is drawn yet."""
        names = {row.group.name for row in rows}
        kept = [
            (sees, tuple(row for row in here if row.group.name in names))
            for sees, here in self.table.sections
        ]
        table = Table(self.table.scenes, tuple(part for part in kept if part[1]))
        return replace(self, table=table, charts={})

    def chart(self, chart: Chart) -> str:
        """A place for a chart under its heading, where the page's script draws it."""
        name = f"chart-{self.number}-{chart.key}"
        self.charts[name] = json.loads(chart.figure.to_json())
        return (
            f'<div class="chart"><h3>{escape(chart.title)}</h3><p>{escape(chart.reading)}</p>'
            f'<div class="plot" id="{name}"></div></div>'
        )

    def framed(self, words: str, otherwise: str = "") -> str:
        """Words on the target's frame, where scenes have one; of no other is its place known."""
        return words if all(row.group.first.boxed for row in self.table.rows) else otherwise


def shown(words: str, html: str, caption: str) -> str:
    """How to read it, what there is to see, which runs it is of; "" where there is nothing."""
    if not html:
        return ""
    return f'<p class="soft">{words}</p><figure>{html}<figcaption>{caption}</figcaption></figure>'
