"""Tables in a terminal."""

from collections.abc import Sequence

from hardattn.report.column import Column
from hardattn.report.columns import columns
from hardattn.report.mattered import sentences
from hardattn.report.notes import notes
from hardattn.report.render.markdown import LEFT
from hardattn.report.rows import Table


def terminal(tables: Sequence[Table], width: int | None = None) -> None:
    """Print every table; a narrow terminal gets the columns that matter most."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table as Grid

    console = Console(width=width)
    if width is None and not console.is_terminal:
        console = Console(width=180)
    for table in tables:
        shown = _fitting(table, console.width)
        grid = Grid(title=escape(table.scenes), title_justify="left", header_style="bold")
        for column in shown:
            left = column.key in LEFT
            least = 16 if column.key == "agent" else None
            grid.add_column(
                escape(column.head),
                justify="left" if left else "right",
                no_wrap=column.key != "agent",
                min_width=least,
            )
        for sees, rows in table.sections:
            blank = [""] * (len(shown) - 1)
            grid.add_row(f"[bold]{escape(sees)}[/bold]", *blank)
            for row in rows:
                cells = [escape(column.text(row, table.decimals)) for column in shown]
                grid.add_row("  " + cells[0], *cells[1:], style="dim" if row.script else "")
            grid.add_section()
        console.print(grid)
        for note in notes(table, shown):
            console.print(f"[dim]{escape(note)}[/dim]")
        for said in sentences(table):
            console.print(escape(said), highlight=False)
        console.print()


def _fitting(table: Table, width: int) -> list[Column]:
    """The columns that a terminal has room for; the class is a heading there."""
    shown = {column.key: column for column in columns(table)}

    def needs(column: Column) -> int:
        words = max(len(column.text(row, table.decimals)) for row in table.rows)
        return max(len(column.head), words) + 3

    for column in sorted(shown.values(), key=lambda column: column.drop_at):
        if column.drop_at and sum(map(needs, shown.values())) + 3 > width:
            del shown[column.key]
    return list(shown.values())
