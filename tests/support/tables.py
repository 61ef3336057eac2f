"""Tables of a folder of runs, and what tests change in their results."""

from pathlib import Path

from hardattn.report.rows import Row, Table, tables
from hardattn.report.runs import read


def only(folder: Path) -> Table:
    (one,) = tables(read([folder]))
    return one


def by_name(table: Table) -> dict[str, Row]:
    return {row.group.name: row for row in table.rows}
