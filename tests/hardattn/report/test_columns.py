"""Each column of the tables is written once, and every rendering reads it."""

import itertools

import pytest

from hardattn.report.column import Column
from hardattn.report.columns import RESULTS, columns, details, results
from hardattn.report.details import DETAILS
from hardattn.report.notes import notes
from hardattn.report.render.terminal import _fitting
from hardattn.report.rows import Table, tables
from hardattn.report.runs import read
from tests.support.runs import write_run, write_soft

ALL = (*RESULTS, *DETAILS)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    top = tmp_path_factory.mktemp("runs")
    for seed in range(2):
        write_run(top, "ram", seed, 0.1)
        write_run(top, "random", seed, 0.3)
        write_soft(top, seed, 0.2, "cbam")
    (one,) = tables(read([top]))
    return one


def test_every_column_can_be_told_from_the_others() -> None:
    assert len({column.key for column in ALL}) == len(ALL)
    stays = {column.key for column in ALL if not column.drop_at}
    assert stays == {"agent", "error", "difference"}
    ranks = {column.key: column.drop_at for column in ALL if column.drop_at}
    for key, rank in ranks.items():
        alike = [other for other, one in ranks.items() if one == rank]
        assert alike == [key], f"drop_at={rank} is of {alike}: of one column alone, or both go"
    assert all(column.help for column in ALL if column.key != "agent")


def test_a_narrow_terminal_drops_first_what_comes_first(table: Table) -> None:
    every = {column.key: column for column in columns(table)}
    widths = range(400, 20, -20)
    kept = [{column.key for column in _fitting(table, width)} for width in widths]
    assert kept[0] == every.keys() and kept[-1] == {"agent", "error", "difference"}
    for wide, narrow in itertools.pairwise(kept):
        assert narrow <= wide
        gone = [every[key].drop_at for key in every.keys() - narrow]
        assert max(gone, default=0) < min(
            (every[key].drop_at for key in narrow if every[key].drop_at), default=99
        )


def test_a_column_that_says_nothing_is_not_there(table: Table) -> None:
    for column in ALL:
        there = column.key in {one.key for one in columns(table)}
        cells = {column.text(row, 1).strip("–") for row in table.rows}
        assert there == (cells != {""} and (column.where is None or column.where(table)))


def test_a_note_stands_where_its_column_does_and_once(table: Table) -> None:
    said = notes(table, columns(table))
    assert len(said) == len(set(said))
    bare = notes(table, [])
    for column in columns(table):
        own = column.note if isinstance(column.note, str) else column.note(table)
        assert own == "" or (own in said and own not in bare)


def test_a_new_column_is_one_row(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its head, cells and note are in every table that takes its columns from there."""
    new = Column("count", "rows", "what it is", lambda row: 7, decimals=0, note="Rows: counted.")
    monkeypatch.setattr("hardattn.report.columns.RESULTS", (*RESULTS, new))
    assert new in results(table) and new not in details(table)
    assert new.text(table.rows[0], 1) == "7" and "Rows: counted." in notes(table, results(table))
