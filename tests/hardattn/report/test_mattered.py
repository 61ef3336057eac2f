"""Whether where it looked mattered: one sentence, and both of its intervals."""

import json
from pathlib import Path

import pytest

from hardattn.experiments.records import committed
from hardattn.report.findings import findings
from hardattn.report.mattered import over_images, sentence, sentences
from hardattn.report.render.markdown import markdown
from hardattn.report.render.terminal import terminal
from hardattn.report.rows import Row, Table, tables
from hardattn.report.runs import read
from tests.support.runs import change, rewritten


def table_of(runs: Path) -> Table:
    (one,) = tables(read([runs]))
    return one


def ram(table: Table) -> Row:
    return next(row for row in table.rows if row.group.name == "ram")


def larger(runs: Path) -> None:
    """As if there were 4,000 test images, of which only figures are left."""
    for file in runs.rglob("result.json"):
        figures = json.loads(file.read_text())["figures"]
        figures["greedy"]["n"] = 4000
        change(file, figures=figures)


def test_it_is_said_once_of_each_class_that_looks(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    larger(runs)
    committed.collect([runs], tmp_path / "results")
    table = table_of(tmp_path / "results")
    (said,) = sentences(table)
    assert said.startswith(
        "Where RAM looked mattered: 21.0 points less error than its strongest control, random "
        "looks (−27.6 to −14.4 over 3 training seeds; −22."
    )
    assert said.endswith("over 4,000 test images, at most).")
    assert said in markdown([table])
    terminal([table])
    assert said in " ".join(capsys.readouterr().out.split())
    assert dict(findings(table)[0].facts)["Against its strongest control"] == said
    whole = next(row for row in table.rows if row.group.name == "whole")
    assert (
        sentence(whole, table)
        == ""
        == dict(findings(table)[1].facts)["Against its strongest control"]
    )


def test_both_intervals_have_to_leave_out_nought(runs: Path) -> None:
    """Answers of untrained agents to 40 images are alike, whatever the figures say."""
    (said,) = sentences(table_of(runs))
    assert said.startswith("That it mattered where RAM looked is not shown: 21.0 points less")
    assert said.endswith("over 40 test images).")


def test_harm_no_control_one_seed(runs: Path, tmp_path: Path) -> None:
    rewritten(runs / "random", runs, "raster", 0.01, script="raster")
    larger(runs)
    committed.collect([runs], tmp_path / "all")
    assert "did harm: 11.0 points more" in sentences(table_of(tmp_path / "all"))[0]
    committed.collect([runs / "ram"], tmp_path / "alone")
    assert "cannot be said: no observer" in sentences(table_of(tmp_path / "alone"))[0]
    committed.collect([runs / "ram" / "seed-0", runs / "random" / "seed-0"], tmp_path / "one")
    (said,) = sentences(table_of(tmp_path / "one"))
    assert "cannot be said yet: 20.0 points less" in said and "1 seed, so no interval" in said


def test_from_errors_alone_the_interval_is_a_bound_by_images_not_scenes(runs: Path) -> None:
    """12 % and 33 % of 4000 scenes of 1000 images: 1.96 sqrt((.12 .88 + .33 .67) / 1000) is 3.5."""
    for file in (runs / "ram").rglob("result.json"):
        change(file, recipe={**json.loads(file.read_text())["recipe"], "test_draws": 4})
    row = ram(table_of(runs))
    larger(runs)
    group = next(group for group in read([runs]) if group.name == "ram")
    assert row.against is not None
    found = over_images(group, row.against._replace(group=None, errors=(33.0,)))
    assert found.n == 1000 and found.point == pytest.approx(-21)
    reach = 196 * ((0.12 * 0.88 + 0.33 * 0.67) / 1000) ** 0.5
    assert found.high == pytest.approx(-21 + reach, abs=0.01)
