"""A run that cannot be drawn is left out with a line, and all else of the report is written."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from hardattn import storage
from hardattn.experiments.cli import main
from hardattn.experiments.commands import tables as table
from hardattn.report.faults import Fault, spared
from hardattn.report.page.charts import styles
from hardattn.report.page.context import Context
from hardattn.report.page.sections import SECTIONS, sections
from hardattn.report.rows import Table, tables
from hardattn.report.runs import ReportError, read
from tests.support.runs import change, write_cells, write_run, write_soft

BAD = "the odd one"
OTHERS = ("RAM", "random looks", "se")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs that are sound, and of hard looks over cells one to be spoilt."""
    top = tmp_path_factory.mktemp("runs")
    write_run(top, "ram", 0, 0.1)
    write_run(top, "random", 0, 0.3)
    write_soft(top, 0, 0.2, "se")
    write_cells(top, 0, 0.5)
    change(top / "hard" / "seed-0" / "result.json", title=BAD)
    for name in ("ram", "hard"):
        _gain(top / name / "seed-0", None)
    return top


@pytest.fixture
def runs(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "runs"))


def _gain(folder: Path, retrained: Any) -> None:
    own, swaps = {"error": 0.2}, {"random": {"error": 0.4}}
    kept = {"format": 1, "own": own, "swaps": swaps, "left_out": {}, "retrained": retrained}
    (folder / "gain.json").write_text(json.dumps(kept))


def _column(name: str) -> Callable[[Path], None]:
    """Of one column there are three rows only."""

    def spoil(folder: Path) -> None:
        stored = storage.read(folder / "columns.pt")
        stored["greedy"][name] = stored["greedy"][name][:3].clone()
        storage.write(folder / "columns.pt", stored)

    return spoil


def _curve(folder: Path) -> None:
    training = json.loads((folder / "result.json").read_text())["training"]
    change(folder / "result.json", training={**training, "curve": [[1000]]})


def _failures(folder: Path) -> None:
    stored = storage.read(folder / "examples.pt")
    few = {key: stored[key][:1] for key in ("image", "target", "box")}
    stored["failures"] = {"index": torch.tensor([999]), **few}
    storage.write(folder / "examples.pt", stored)


def _second(folder: Path) -> None:
    """A second seed, whose answers are cut off."""
    other = Path(shutil.copytree(folder, folder.with_name("seed-1")))
    change(other / "result.json", seed=1)
    _column("log_probability")(other)


# What makes a part of the page raise: some of a run's files, or a figure that is no number.
SPOILERS: dict[str, Callable[[Path], None]] = {
    "looks": _column("location"),
    "cost": _curve,
    "looked": _column("box"),
    "gain": lambda folder: _gain(folder, [1]),
    "symptoms": _column("location"),
    "trust": _second,
    "maps": _column("density"),
    "paths": _column("location"),
    "failures": _failures,
}


def drawn(one: Table, figures: dict[str, Any], faults: list[Fault]) -> dict[str, str]:
    found, missed = sections(Context(one, 0, styles([one])))
    faults += missed
    for section in found:
        figures |= section.charts
    return {section.key: section.html for section in found}


def test_every_part_of_a_page_is_spared(made: Path) -> None:
    (one,) = tables(read([made]))
    faults: list[Fault] = []
    shown = drawn(one, {}, faults)
    assert shown.keys() >= {"table", *SPOILERS} and not faults
    assert [section.key for section in SECTIONS if section.key in shown] == list(shown)


@pytest.mark.parametrize("key", ["table", *SPOILERS])
def test_a_part_leaves_out_who_makes_it_raise(key: str, runs: Path) -> None:
    (before,) = tables(read([runs]))
    sound: dict[str, Any] = {}
    drawn(before, sound, [])
    if key != "table":
        SPOILERS[key](runs / "hard" / "seed-0")
    (one,) = tables(read([runs]))
    if key == "table":
        rows = {row.title: row for row in one.rows}
        wrong: Any = ["much"]
        spoilt = rows[BAD]._replace(throughput=wrong)
        section = [
            (sees, tuple(spoilt if row is rows[BAD] else row for row in here))
            for sees, here in one.sections
        ]
        one = Table(one.scenes, tuple(section))
    figures: dict[str, Any] = {}
    faults: list[Fault] = []
    found = drawn(one, figures, faults)
    said = [fault for fault in faults if fault.who == BAD]
    assert said and said == faults and any(key in found for fault in said)
    line = f"{BAD} cannot be drawn and is left out of"
    assert line in found[key] and "\n" not in str(said[0])
    # Everybody else is there, as where nobody had been spoilt; and what is drawn has its place.
    shown = found[key].replace("&lt;", "<")
    assert any(title in shown for title in OTHERS) and figures.keys() <= sound.keys()
    assert all(f'id="{name}"' in "".join(found.values()) for name in figures)


def _figures(part: str, **fields: Any) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        result = json.loads((folder / "result.json").read_text())
        change(folder / "result.json", **{part: {**result.get(part, {}), **fields}})

    return spoil


# What takes more than a part of the page: a row cannot be made, or a text cannot be written.
WHOLE = {
    "a cost in words": _figures("cost", memory={"one": "much"}),
    "seconds in words": _figures("training", seconds="long"),
    "a gain that is none": lambda folder: _gain(folder, [1]),
    "passes that are a list": lambda folder: _figures(
        "figures",
        averaged={"error": 0.1, "passes": [10]},
        greedy=json.loads((folder / "result.json").read_text())["figures"]["greedy"],
    )(folder),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_run_that_takes_a_report_down_is_left_out(
    name: str, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    WHOLE[name](runs / "hard" / "seed-0")
    assert main(["report", str(runs)]) == 0
    out, err = capsys.readouterr()
    first = err.splitlines()[0]
    assert first.startswith("left out: ") and ("hard" in first or BAD in first)
    for file in ("report.html", "report.md", "report.csv", "report-seeds.csv", "report.tex"):
        text = (runs / file).read_text()
        assert "RAM" in text and "random looks" in text, file
    assert "cannot be drawn and is left out of" in (runs / "report.html").read_text()
    assert "RAM" in out


def test_of_runs_that_all_fail_there_is_one_line(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    WHOLE["a cost in words"](runs / "hard" / "seed-0")
    assert main(["report", str(runs / "hard")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: there is nothing to show: hard") and "TypeError" in line
    assert not (runs / "hard" / "report.html").exists()


def test_who_fails_alone_or_in_company_is_named() -> None:
    def draw(numbers: Any) -> int:
        if 0 in numbers:
            raise ZeroDivisionError("no\nnumber")
        if {3, 4} <= set(numbers):
            raise RuntimeError
        return sum(numbers)

    assert spared([1, 2], draw, str, "it") == (3, [])
    assert spared([1, 0, 2], draw, str, "it") == (
        3,
        [Fault("0", "it", "ZeroDivisionError: no number")],
    )
    assert spared([3, 0, 4, 5], draw, str, "it") == (
        8,
        [Fault("0", "it", "ZeroDivisionError: no number"), Fault("4", "it", "RuntimeError")],
    )
    assert spared([0], draw, str, "it")[0] is None

    def broken(numbers: Any) -> int:
        raise ReportError("which file is broken is said already")

    with pytest.raises(ReportError):
        spared([1, 2], broken, str, "it")


@pytest.mark.parametrize("lines", [0, 1])
def test_a_report_is_written_whoever_stops_reading(lines: int, runs: Path) -> None:
    """As in `compare ... | head`: nothing is lost, and there is no traceback."""
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "hardattn.experiments", "report", str(runs)],
        cwd=table.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        for _ in range(lines):
            process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read().decode()
        assert process.wait() == 0 and said == ""
    assert (runs / "report.html").exists() and (runs / "report-seeds.csv").exists()
