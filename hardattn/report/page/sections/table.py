"""The table of a page as HTML: sortable within a class of sight, with the values of each seed."""

from html import escape

from hardattn.report.column import Column
from hardattn.report.columns import columns
from hardattn.report.notes import notes
from hardattn.report.page.charts import Style
from hardattn.report.page.context import Context
from hardattn.report.page.sections.provenance import origin
from hardattn.report.rows import Row, Table


def section(context: Context) -> str:
    """All rows with all columns."""
    made = origin(context.table.rows)
    return f'{grid(context.table, context.styles)}<p class="made soft">{made}</p>'


def grid(table: Table, look: dict[str, Style]) -> str:
    """A body a class, whose heading stays where it is when its rows are sorted; notes below."""
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
            text = f"{swatch(look[row.group.name])}{text}"
        elif column.key == "seeds":
            text = _by_seed(row, table.decimals, text)
        elif " [" in text:
            point, interval = text.split(" [")
            text = f'<b>{point}</b> <span class="range">[{interval}</span>'
        value = column.value(row)
        key = "" if value is None else escape(str(value))
        kind = f"{_kind(column)} {row.verdict * (column.key == 'beats')}".strip()
        cells.append(f'<td class="{kind}" data-value="{key}">{text}</td>')
    title = escape(row.title)
    return f'<tr class="row{" best" * best}" data-title="{title}">{"".join(cells)}</tr>'


def _by_seed(row: Row, decimals: int, text: str) -> str:
    """The number of seeds, which opens to the error of each."""
    if len(row.seeds) == 1:
        return text
    each = "".join(f"<li>{seed}: {error:.{decimals}f}</li>" for seed, error in row.seeds.items())
    return f'<details class="seeds"><summary>{text}</summary><ul>{each}</ul></details>'


def _kind(column: Column) -> str:
    if column.key == "agent":
        return "text name"
    return f"text {column.key}" if column.key in ("estimator", "beats", "control") else column.key


def swatch(style: Style) -> str:
    """The line that a row is drawn with."""
    return f'<span class="swatch {style.dash}" style="--c:{style.colour}"></span>'
