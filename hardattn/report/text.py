"""Tables as text: Markdown, and a terminal's."""

from collections.abc import Sequence

from hardattn.report.table import Column, Table, columns, notes

# What a narrow terminal does without, first to go first.
SPARE = ("parameters", "speed", "nll", "ece", "averaged", "seeds", "sampled", "pixels", "hit")


def markdown(tables: Sequence[Table], level: int = 3) -> str:
    """Every table in Markdown, with its notes and the command of every row."""
    parts = []
    for table in tables:
        shown = columns(table)
        lines = [f"{'#' * level} {table.scenes}", ""]
        lines.append("| " + " | ".join(column.head for column in shown) + " |")
        left = ("sees", "agent")
        lines.append("|" + "|".join(" --- " if c.key in left else " ---: " for c in shown) + "|")
        for row in table.rows:
            cells = [column.text(row, table.decimals).replace("|", "\\|") for column in shown]
            lines.append("| " + " | ".join(cells) + " |")
        lines += ["", *notes(table), ""]
        for row in table.rows:
            seeds = ", ".join(map(str, row.group.seeds))
            lines.append(
                f"- {row.title}, seed{'s' * (len(row.group.seeds) > 1)} {seeds}: "
                f"`{row.group.first['command']}`"
            )
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


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
            left = column.key == "agent"
            least = 16 if left else None
            grid.add_column(
                column.head,
                justify="left" if left else "right",
                no_wrap=not left,
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
        for note in notes(table):
            console.print(f"[dim]{escape(note)}[/dim]")
        console.print()


def _fitting(table: Table, width: int) -> list[Column]:
    """The columns that a terminal has room for; the class is a heading there."""
    shown = {column.key: column for column in columns(table) if column.key != "sees"}

    def needs(column: Column) -> int:
        words = max(len(column.text(row, table.decimals)) for row in table.rows)
        return max(len(column.head), words) + 3

    for key in SPARE:
        if sum(map(needs, shown.values())) + 3 > width:
            shown.pop(key, None)
    return list(shown.values())
