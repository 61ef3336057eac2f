"""Whoever is told: the same numbers as the log has, once each, over a restart."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from hardattn.experiments.cli import main
from hardattn.training.interrupt import Stopped
from hardattn.training.log import Log, read_metrics
from hardattn.training.tracking import CSV, TRACKERS, Ending, trackers
from tests.support.training import learn

ENDED = Ending(
    {"lr": 0.1, "agent": "Ram"}, {"lr": 0.1}, {"test/error": 0.25, "test/after": [0.5, 0.25]}
)


def rows(folder: Path) -> list[list[str]]:
    with open(folder / CSV.FILE) as file:
        return list(csv.reader(file))


def told(folder: Path, seen: int = 0) -> Log:
    return Log(folder, "ram", quiet=True, every=1, tracked=("csv", "tensorboard"))


def test_a_table_holds_what_the_log_holds(tmp_path: Path) -> None:
    learn(tmp_path, log=told(tmp_path))
    head, *lines = rows(tmp_path)
    assert head == [*CSV.HEAD]
    found = {(int(images), name): float(value) for images, name, value in lines}
    assert len(found) == len(lines), "nothing is there twice"
    entries = read_metrics(tmp_path)
    assert entries
    for entry in entries:
        for name, value in entry["validation"].items():
            if isinstance(value, float):
                assert found[entry["images"], f"validation/{name}"] == value
        after = entry["validation"]["error_after"]
        for look, error in enumerate(after, 1):
            assert found[entry["images"], f"error_after_look/{look:02d}"] == error
    assert any(name == "training/loss" for _, name in found)
    assert list(tmp_path.glob("events.out.tfevents.*"))


def test_what_was_told_of_later_images_is_void_after_a_restart(tmp_path: Path) -> None:
    one = CSV(tmp_path, "ram")
    one.start(0)
    for seen in (10, 20, 30):
        one.scalars({"loss": seen / 100}, seen)
    with open(tmp_path / CSV.FILE, "a") as file:
        file.write("40,lo")  # as a crash leaves it
    one.start(20)
    assert rows(tmp_path)[1:] == [["10", "loss", "0.1"], ["20", "loss", "0.2"]]
    one.finish(ENDED, 30)
    assert rows(tmp_path)[3:] == [
        ["30", "test/error", "0.25"],
        ["30", "test/after/01", "0.5"],
        ["30", "test/after/02", "0.25"],
    ]


def test_nobody_may_be_told(tmp_path: Path) -> None:
    learn(tmp_path, log=Log(tmp_path, "ram", quiet=True, tracked=()))
    assert read_metrics(tmp_path) and not list(tmp_path.glob("events*"))


def test_who_is_unknown_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="choose from tensorboard, csv, wandb, mlflow"):
        trackers(("tensorbored",), tmp_path)
    assert next(iter(TRACKERS)) == "tensorboard"


def test_by_a_flag(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "ram-digits", "--out", str(tmp_path), "--device", "cpu", "--track"]
    assert main([*words, "tensorbored"]) == 2
    assert "no tracker is called 'tensorbored'" in capsys.readouterr().err


def test_one_that_is_not_installed_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "wandb", None)
    words = ["train", "ram-digits", "--out", str(tmp_path), "--device", "cpu", "--track", "wandb"]
    assert main(words) == 2
    assert "wandb is missing: pip install 'hardattn[wandb]'" in capsys.readouterr().err


def test_weights_and_biases_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is stopped and goes on is one run there."""
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    for seen in (0, 64):
        one = TRACKERS["wandb"](tmp_path, "ram")
        one.start(seen)
        one.scalars({"training/loss": 0.5}, seen + 64)
        one.finish(ENDED, seen + 64)
        one.close()
    known = (tmp_path / "wandb.id").read_text().strip()
    folders = list((tmp_path / "wandb").glob("offline-run-*"))
    # They are named by the second in which they began, so two that are as short may share one.
    assert folders and all(folder.name.endswith(known) for folder in folders)


def test_mlflow_in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is stopped and goes on is one run there."""
    mlflow: Any = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file://{tmp_path / 'mlruns'}")
    mlflow.set_tracking_uri(f"file://{tmp_path / 'mlruns'}")
    for seen in (0, 64):
        one = TRACKERS["mlflow"](tmp_path, "ram")
        one.start(seen)
        one.scalars({"training/loss": 0.5}, seen + 64)
        if seen:
            one.finish(ENDED, seen + 64)
        one.close()
    client = mlflow.MlflowClient()
    (experiment,) = (each for each in client.search_experiments() if each.name == "hardattn")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED" and run.data.params == {"lr": "0.1", "agent": "Ram"}
    assert run.data.metrics["test/after/02"] == 0.25
    steps = [each.step for each in client.get_metric_history(run.info.run_id, "training/loss")]
    assert steps == [64, 128]


def test_a_stopped_run_goes_on_in_the_same_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    learn(whole, log=told(whole))
    real = Log.validation

    def stopping(self: Log, *given: Any) -> None:
        real(self, *given)
        import os
        import signal

        os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Log, "validation", stopping)
        with pytest.raises(Stopped):
            learn(broken, log=told(broken))
    learn(broken, log=told(broken))

    def plain(folder: Path) -> set[tuple[str, str, str]]:
        timed = ("training/seconds", "training/images_per_second")
        return {(a, b, c) for a, b, c in rows(folder) if b not in timed}

    assert plain(whole) == plain(broken)
    assert json.dumps(read_metrics(whole)) == json.dumps(read_metrics(broken))
