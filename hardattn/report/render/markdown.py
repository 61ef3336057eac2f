"""Tables in Markdown, and how to have their rows again."""

import shlex
from collections import Counter
from collections.abc import Sequence

from hardattn.report.column import Column, somebody_looks
from hardattn.report.columns import at_once, details, results, somebody_draws
from hardattn.report.mattered import sentences
from hardattn.report.notes import notes
from hardattn.report.render.grid import heading, opening, row_of
from hardattn.report.rows import Row, Table

LEFT = ("agent", "estimator", "beats", "recipe", "control")


def markdown(tables: Sequence[Table], level: int = 3) -> str:
    """Each set of scenes in Markdown: the results, what they cost, and how to have them again.

    Where all see everything at once and draw nothing, as soft attention does, it is one table.
    """
    recipe = Column("recipe", "recipe", "", lambda row: row.group.name)
    parts, told = [], set[str]()
    for table in tables:
        two = somebody_looks(table) or somebody_draws(table)
        agent, *found = results(table) if two else at_once(table)
        costs = details(table) if two else []
        lines = [f"{'#' * level} {table.scenes}", "", *_grid(table, [agent, *found]), ""]
        new = [note for note in notes(table, [*found, *costs]) if note not in told]
        told.update(new)
        lines += [*(f"- {note}" for note in new), ""] if new else []
        lines += [line for said in sentences(table) for line in (said, "")]
        if two:
            lines += [*_grid(table, [agent, recipe, *costs]), ""]
        lines += _commands(table.rows)
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _grid(table: Table, shown: Sequence[Column]) -> list[str]:
    """A table in Markdown; a row in bold opens each class of sight."""
    heads = [column.head for column in shown]
    lines = heading(heads, [column.head for column in shown if column.key in LEFT])
    for sees, rows in table.sections:
        lines.append(opening(sees, heads))
        lines += [row_of(_cell(column, row, table) for column in shown) for row in rows]
    return lines


def _cell(column: Column, row: Row, table: Table) -> str:
    text = " ".join(column.text(row, table.decimals).split()).replace("|", "\\|")
    return f"**{text}**" if column.key == "beats" and text in ("no", "worse") else text


def _commands(rows: Sequence[Row]) -> list[str]:
    """The command of every row: one line for all that follow a pattern, the others one by one."""
    patterns = {row.group.name: (_pattern(row), row.group.seeds) for row in rows}
    counted = Counter(patterns.values())
    usual = counted.most_common(1)[0][0]
    shared = [one for one in counted if one == usual or counted[one] > 1]
    said = "; ".join(f"`{pattern}`, {seeds_text(seeds)}" for pattern, seeds in shared)
    others = [
        f"- {row.title}, {seeds_text(row.group.seeds)}: `{row.group.first.command}`"
        for row in rows
        if patterns[row.group.name] not in shared
    ]
    return [f"Commands: {said}.", *([""] if others else []), *others]


def _pattern(row: Row) -> str:
    """Its command, with a word for what differs from row to row."""
    try:
        words = shlex.split(row.group.first.command)
    except ValueError:  # a quote that does not end
        return str(row.group.first.command)
    words = ["RECIPE" if word == row.group.name else word for word in words]
    for at, option in enumerate(words[:-1]):
        if option in ("--block", "--head", "--seed"):
            words[at + 1] = option[2:].upper()
    return shlex.join(words)


def seeds_text(seeds: Sequence[int]) -> str:
    """`seed 0`, or `seeds 0, 1, 2`."""
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
