"""A small plan, trained for real: done once, shared by processes, and taken up again."""

import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from hardattn.experiments import cli
from hardattn.experiments.recipe import UsageError
from hardattn.experiments.records.folder import locked
from hardattn.experiments.studies.soft import measure, results
from hardattn.experiments.studies.soft.plan import RATES, Cell, Protocol, Row

SHORT = {"images": 64, "test_draws": 1, "warmup": 0, "validate_every": 32}
SMALL = Protocol("soft-long", 2, True)
ROWS = [
    Row("", "control", dict(SHORT), 10, 10, 1.0),
    Row("block=se", "block", {**SHORT, "block": "se"}, 12, 11, 2.0),
]


def write_plan(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    rows = [vars(row) for row in ROWS]
    (out / measure.PLAN).write_text(json.dumps({"recipe": SMALL.recipe, "rows": rows}))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("soft") / "runs"
    write_plan(out)
    measure.run(out, SMALL, 1)
    return out


def test_all_is_trained_and_collected(trained: Path) -> None:
    found = results.collected(trained, SMALL)
    for row in found["rows"]:
        assert row["seeds"] == [0, 1] and not row["diverged"]
        assert len(row["greedy"]["error"]) == 2
        assert row["rate"] in RATES and list(row["search"]) == [str(rate) for rate in RATES]
    block = next(row for row in found["rows"] if row["name"] == "block=se")
    assert set(block["controls"]) == {"mean", "foreign"}
    assert found["core_hours"] >= 0 and found["made_with"]


def test_the_rate_is_the_better_by_validation(trained: Path) -> None:
    for row in ROWS:
        found = measure.search_of(trained, SMALL, row)
        errors = [error for error in found.values() if error is not None]
        rate = measure.chosen(trained, SMALL, ROWS)[row.name]
        assert found[rate] == min(errors)


def test_what_is_done_is_not_done_again(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in trained.glob("*/*/*/result.json")}
    assert len(before) == 8
    measure.run(trained, SMALL, 1)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert capsys.readouterr().out == ""


def test_a_row_that_comes_later_does_not_wait_for_the_seeds_of_others(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A row joins a plan of which the other has its first seed: then comes that seed of it."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    for path in [*tmp_path.glob("search/*=se*"), *tmp_path.glob("seeds/*=se*")]:
        shutil.rmtree(path)
    for path in tmp_path.glob("seeds/*/seed-1"):
        shutil.rmtree(path)
    measure.run(tmp_path, SMALL, 1)
    done = [line.split(": ")[1] for line in capsys.readouterr().out.splitlines()]
    assert len(done) == 5 and all("seed 100" in line for line in done[:2])
    assert ["block=se" in line for line in done[2:]] == [True, False, True]
    assert [line[-1] for line in done[2:]] == ["0", "1", "1"]


def test_nothing_is_begun_when_the_hours_are_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_plan(tmp_path)
    measure.run(tmp_path, SMALL, 1, hours=0.0)
    assert not list(tmp_path.glob("*/*/*/result.json"))
    assert "nothing more is begun" in capsys.readouterr().out


def test_who_finds_a_training_taken_leaves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process has the first training; this one does the others, and waits for it."""
    write_plan(tmp_path)
    monkeypatch.setattr(measure, "PAUSE", 0.05)
    taken = measure.folder_of(tmp_path, SMALL, Cell(ROWS[0], RATES[0], measure.SEARCH_SEED, True))
    taken.mkdir(parents=True)
    held = threading.Event()

    def other() -> None:
        """Gives up what it holds when all else is done that can be."""
        with locked(taken):
            held.set()
            while len(list(tmp_path.glob("*/*/*/result.json"))) < 5:
                held.wait(0.05)

    thread = threading.Thread(target=other, daemon=True)
    thread.start()
    held.wait()
    measure.run(tmp_path, SMALL, 1)
    thread.join()
    assert len(list(tmp_path.glob("*/*/*/result.json"))) == 8


def test_a_diverged_training_is_counted_and_not_tried_again(trained: Path, tmp_path: Path) -> None:
    """Of its row the other rate is taken; as a seed it is named."""
    out = tmp_path / "copy"
    subprocess.run(["cp", "-r", str(trained), str(out)], check=True)
    rate = measure.chosen(out, SMALL, ROWS)["block=se"]
    for cell in (Cell(ROWS[1], rate, 1, False), Cell(ROWS[0], RATES[0], 100, True)):
        folder = measure.folder_of(out, SMALL, cell)
        (folder / "result.json").unlink()
        (folder / measure.DIVERGED).write_text("the loss is not finite\n")
    assert measure.chosen(out, SMALL, ROWS)[""] == RATES[1]
    found = results.collected(out, SMALL)
    assert next(row for row in found["rows"] if row["name"] == "block=se")["diverged"] == [1]


def test_what_a_mixture_counts_is_kept_of_every_seed(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "copy"
    subprocess.run(["cp", "-r", str(trained), str(out)], check=True)
    shares = {"deep.0": {"identity": 0.25, "self": 0.75}}
    rate = measure.chosen(out, SMALL, ROWS)["block=se"]
    for seed in range(SMALL.seeds):
        path = measure.folder_of(out, SMALL, Cell(ROWS[1], rate, seed, False)) / "result.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"shares": shares}))
    rows = {row["name"]: row for row in results.collected(out, SMALL)["rows"]}
    assert rows["block=se"]["shares"] == [shares] * SMALL.seeds
    assert "shares" not in rows[""]


def test_a_folder_of_another_plan_is_refused(trained: Path, capsys: Any) -> None:
    with pytest.raises(UsageError, match="holds runs of soft-long, not of soft"):
        measure.claim(trained, Protocol("soft", 1, False))
    assert cli.main(["soft", "--quick", "--out", str(trained)]) == 2
    assert cli.main(["soft", "--quick", "--save"]) == 2
    assert "no verdicts" not in capsys.readouterr().out


def test_the_command_tells_of_what_is_finished(trained: Path) -> None:
    words = [sys.executable, "-m", "hardattn.experiments", "soft", "--collect", "--out"]
    done = subprocess.run([*words, str(trained)], capture_output=True, text=True, check=True)
    assert "## Blocks" in done.stdout and "`se`" in done.stdout


def test_two_processes_share_a_folder(tmp_path: Path) -> None:
    rows = [vars(row) for row in ROWS]
    (tmp_path / measure.PLAN).write_text(json.dumps({"recipe": "soft", "rows": rows}))
    words = ["soft", "--quick", "--quiet", "--jobs", "2", "--out", str(tmp_path)]
    assert cli.main(words) == 0
    found = results.collected(tmp_path, Protocol("soft", 1, False))
    assert [row["seeds"] for row in found["rows"]] == [[0], [0]]
    logs = list(tmp_path.glob("*/*/*/result.json"))
    assert len(logs) == 2


def test_a_process_beside_this_one_that_fails_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_plan(tmp_path)
    monkeypatch.setattr(measure.sys, "executable", "false")
    with pytest.raises(UsageError, match="exit code 1"):
        measure.run(tmp_path, SMALL, 2, hours=0.0)
