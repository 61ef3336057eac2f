"""Columns of tasks stand in their tables and in no others, and errors say what they count."""

from pathlib import Path

import pytest

from hardattn.report.asked import ASKED, COUNTED, counted, error_head, error_words
from hardattn.report.columns import RESULTS, columns
from hardattn.report.notes import notes
from hardattn.report.rows import Table
from tests.support.asked import write_asked
from tests.support.runs import write_run
from tests.support.tables import only

OF = {
    "masks": {"mean_iou", "boundary_f"},
    "keypoints": {"pck"},
    "captions": {"token_accuracy", "bleu_4", "cider"},
    "matching": {"recall_1", "recall_5", "recall_10"},
    "query": {"answer_iou"},
    "few_shot": set(),
    "clips": {"frames_looked"},
}
KEYS = {column.key for column in ASKED}


def asked(table: Table) -> set[str]:
    return {column.key for column in columns(table)} & KEYS


@pytest.mark.parametrize("scene", OF)
def test_a_task_has_its_own_columns(scene: str, tmp_path: Path) -> None:
    write_asked(tmp_path, scene)
    table = only(tmp_path)
    assert asked(table) == OF[scene]
    said = notes(table, columns(table))
    head = next(column.head for column in columns(table) if column.key == "error")
    if scene not in COUNTED:
        assert counted(table) == "" and head == "error %"
        return
    what, sentence = COUNTED[scene]
    assert f"Error counts {sentence}." in said
    assert head == ("error %" if what == "scenes" else f"error, % of {what}")


def test_other_tables_have_none_of_them(tmp_path: Path) -> None:
    write_run(tmp_path, "ram", 0, 0.1)
    table = only(tmp_path)
    assert asked(table) == set() and error_head(table) == "error %" and counted(table) == ""
    assert {column.key for column in RESULTS} >= KEYS


def test_who_answers_rightly_is_at_the_best_of_every_figure(tmp_path: Path) -> None:
    best = {"mean_iou": 100, "boundary_f": 100, "pck": 100, "token_accuracy": 100, "bleu_4": 100}
    best |= {"recall_1": 100, "answer_iou": 100}
    for scene in ("masks", "keypoints", "captions", "matching", "query"):
        write_asked(tmp_path / scene, scene, right=True)
        table = only(tmp_path / scene)
        (row,) = table.rows
        found = {column.key: column.value(row) for column in columns(table)}
        assert {key: found[key] for key in best.keys() & OF[scene]} == pytest.approx(
            {key: best[key] for key in best.keys() & OF[scene]}
        )


def test_what_follows_an_error_says_of_what_so_many_are_wrong() -> None:
    said = [error_words({"scene": scene}) for scene in ("captions", "masks", "query", "plain")]
    assert said == ["of sentences wrong", "of places wrong", "error", "error"]
    assert error_words({}) == "error"
