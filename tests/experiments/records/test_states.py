"""Runs in every state, and what is told of each."""

import fcntl
import json
from pathlib import Path

import pytest

from hardattn.experiments.cli import main
from hardattn.experiments.records.folder import Busy, failing, locked
from hardattn.experiments.records.states import ago, held, states
from hardattn.training.interrupt import Stopped
from hardattn.training.metrics import NotFinite


def begun(top: Path, name: str, seen: int = 0, error: float = 0.5) -> Path:
    folder = top / name / "seed-0"
    folder.mkdir(parents=True)
    (folder / "recipe.json").write_text(json.dumps({"images": 1000, "lr": 0.1}))
    if seen:
        entry = {"kind": "validation", "images": seen, "error": error}
        (folder / "metrics.jsonl").write_text(json.dumps(entry) + "\n")
    return folder


def test_every_state_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begun(tmp_path, "a-stopped", 200)
    begun(tmp_path, "b-running", 400, 0.25)
    failed = begun(tmp_path, "c-failed", 600)
    done = begun(tmp_path, "d-finished", 1000)
    begun(tmp_path, "e-begun")
    found = {"figures": {"greedy": {"error": 0.125}}, "training": {"images": 1000}}
    (done / "result.json").write_text(json.dumps(found))
    with pytest.raises(NotFinite), failing(failed):
        raise NotFinite("not finite at update 7: lower the rate")
    with locked(tmp_path / "b-running" / "seed-0"):
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
        assert main(["runs", str(tmp_path)]) == 0
    said = capsys.readouterr().out.splitlines()
    cells = {line.split()[0]: line.split()[1:] for line in said if "seed-0" in line}
    assert cells["a-stopped/seed-0"][:3] == ["stopped", "(50.00)", "200/1,000"]
    assert cells["b-running/seed-0"][:3] == ["running", "(25.00)", "400/1,000"]
    assert cells["c-failed/seed-0"][:3] == ["failed", "(50.00)", "600/1,000"]
    assert cells["d-finished/seed-0"][:3] == ["finished", "12.50", "1,000"]
    assert cells["e-begun/seed-0"][:2] == ["stopped", "0/1,000"]
    assert "    not finite at update 7: lower the rate" in said
    assert all(line.endswith(" s ago") for line in said if "seed-0" in line)
    assert {path: path.stat().st_mtime_ns for path in before} == before  # nothing was written
    (tmp_path / "empty").mkdir()
    assert main(["runs", str(tmp_path / "empty")]) == 2
    assert "no run in it" in capsys.readouterr().err


def test_a_lock_is_held_as_long_as_its_process_has_it(tmp_path: Path) -> None:
    assert not held(tmp_path)
    with locked(tmp_path):
        assert held(tmp_path)
        with pytest.raises(Busy), locked(tmp_path):
            pass
    assert not held(tmp_path)
    with open(tmp_path / ".lock") as other:  # who only looks does not hold it
        fcntl.flock(other, fcntl.LOCK_SH)
        assert not held(tmp_path)


def test_what_was_stopped_has_not_failed(tmp_path: Path) -> None:
    folder = begun(tmp_path, "one")
    with pytest.raises(OSError), failing(folder):
        raise OSError("no space left")
    assert states(tmp_path)[0].why == "no space left"
    with pytest.raises(Stopped), failing(folder):
        raise Stopped("stopped", 130)
    assert states(tmp_path)[0].state == "stopped" and not (folder / "failed.txt").exists()


def test_ages() -> None:
    given = (0.4, 59, 60, 3_599, 7_200, 90_000, -3)
    assert [*map(ago, given)] == ["0 s", "59 s", "1 min", "60 min", "2 h", "1 d", "0 s"]
