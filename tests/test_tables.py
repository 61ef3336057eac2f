"""The generated tables of README.md and docs/results are those of the committed JSON."""

import re
from pathlib import Path

import pytest

from hardattn.experiments.commands import collect, tables
from tests.support.runs import write_run

MARKS = f"# x\n\n{tables.BEGIN}\n{tables.END}\nend\n"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("runs")
    for seed, (own, other) in enumerate([(0.10, 0.30), (0.14, 0.36), (0.12, 0.33)]):
        write_run(top, "ram", seed, own)
        write_run(top, "random", seed, other)
    return top


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    for name in tables.PAGES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(MARKS)
    return tmp_path


def test_pages_are_current() -> None:
    assert tables.main(["--check"]) == 0


def test_pages_are_written_once_and_checked(
    runs: Path, pages: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(tables.PROBLEMS, "digits", "noise")
    results = pages / "results"
    options = ["--pages", str(pages), "--results", str(results)]
    assert tables.main([*options, "--check"]) == 1
    assert "README.md: stale" in capsys.readouterr().err
    assert tables.main(options) == 0
    assert "No results are committed yet" in (pages / "docs/results/digits.md").read_text()
    assert tables.main([*options, "--check"]) == 0
    collect.collect([runs / "ram", runs / "random"], results)
    assert tables.main([*options, "--check"]) == 1
    assert tables.main(options) == 0 and tables.main([*options, "--check"]) == 0
    text = (pages / "docs/results/digits.md").read_text()
    assert text.startswith("# x\n\n") and text.endswith(f"{tables.END}\nend\n")
    assert "12.0 [7.0, 17.0]" in text


def test_results_without_a_page_are_refused(
    runs: Path, pages: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    collect.collect([runs / "ram"], pages / "results")
    assert tables.main(["--pages", str(pages), "--results", str(pages / "results")]) == 2
    assert "no page shows results on 'noise plain" in capsys.readouterr().err


def test_a_page_without_marks_is_named(pages: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (pages / "docs/results/catch.md").write_text("# x\n")
    assert tables.main(["--pages", str(pages), "--results", str(pages / "none")]) == 2
    assert "docs/results/catch.md: no" in capsys.readouterr().err


def test_the_best_control_is_fair() -> None:
    """Of RAM it is the raster, which beats random looks, and never the oracle."""
    (table,) = (
        one
        for one in tables.tables_of(tables.RESULTS)
        if "translated, canvas 48" in one.scenes and "8 scenes" in one.scenes
    )
    rows = {row.group.name: row for row in table.rows}
    control = tables.best_control(rows["ram-digits"], table)
    assert control is not None and control.group.name == "raster-digits"
    assert tables.best_control(rows["oracle-digits"], table) is None
    assert tables.best_control(rows["cnn-digits"], table) is None
    other = tables.best_control(rows["dram-digits"], table)
    assert other is not None and other.group.name == "random-dram-digits"


def test_every_kind_has_its_row() -> None:
    lines = tables.best(tables.RESULTS).splitlines()[2:]
    assert [re.split(r": `| \|", line[2:])[0] for line in lines] == [t for t, _ in tables.KINDS]
