"""`--track none`: nobody is told how a run goes, and it goes as well."""

from pathlib import Path

import pytest

from hardattn.evaluation import cost
from hardattn.experiments.cli import main
from hardattn.training.tracking import NOBODY, TRACKERS, trackers


def test_nobody_is_told_where_nobody_is_named(tmp_path: Path) -> None:
    assert trackers((NOBODY,), tmp_path) == [] == trackers((), tmp_path)
    assert not any(tmp_path.iterdir()) and NOBODY not in TRACKERS
    with pytest.raises(ValueError, match="none and csv cannot both be told"):
        trackers((NOBODY, "csv"), tmp_path)
    with pytest.raises(ValueError, match="choose from tensorboard, csv, wandb, mlflow, none"):
        trackers(("nine",), tmp_path)


def test_a_run_that_tells_nobody_leaves_all_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost, "SECONDS", 0.0)
    monkeypatch.setattr("hardattn.experiments.measure.PASSES", 1)
    monkeypatch.setattr("hardattn.experiments.run.tune", lambda threads: "default")
    words = "--images 64 --batch-size 32 --validate-every 64 --test-draws 1 --device cpu".split()
    assert main(["train", "mlp-digits", *words, "--track", "none", "--out", str(tmp_path)]) == 0
    (folder,) = (path.parent for path in tmp_path.rglob("result.json"))
    there = {path.name for path in folder.iterdir()}
    assert {"metrics.jsonl", "best.pt"} <= there
    assert not any("tfevents" in name or name == "log.csv" for name in there)
