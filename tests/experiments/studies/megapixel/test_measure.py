"""Trainings that fit, errors of weights here and on other canvases, and what holds too much."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from hardattn.data import datasets
from hardattn.experiments.kinds import Json
from hardattn.experiments.records.committed import RESULTS
from hardattn.experiments.studies.megapixel import measure, results
from hardattn.experiments.studies.megapixel.cells import CELLS, Cell
from tests.support.datasets import STEMS, idx, publish, put

SMALL, LARGE = Cell("attention-sampling", 1500), Cell("attention-sampling", 8192)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """MNIST, as far as it is needed here: noise."""
    draw = np.random.default_rng(0)
    arrays = {}
    for stem, count in zip(STEMS, (60, 60, 40, 40), strict=True):
        pixels = draw.integers(0, 256, (count, 28, 28), np.uint8)
        arrays[stem] = pixels if "images" in stem else (np.arange(count) % 10).astype(np.uint8)
    monkeypatch.setattr(datasets, "IDX_COUNTS", (40, 20, 40))
    publish(monkeypatch, "mnist", arrays)
    for stem, array in arrays.items():
        put(tmp_path / "mnist" / f"{stem}-ubyte", idx(array))
    return tmp_path


def test_a_training_sees_what_its_minutes_allow_and_its_weights_move(root: Path) -> None:
    out, costs = root / "out", {"training_seconds": 1.0, "seconds": 0.001}
    assert measure.sources(SMALL, out) == []
    measure.learn(SMALL, out, costs, 0.7, root)  # 42 seconds, 4 to validate: two updates of 16
    told = json.loads((out / SMALL.name / "training.json").read_text())
    assert told["images"] == 32 and told["curve"][-1][0] == 32
    measure.learn(SMALL, out, costs, 20, root)  # what was settled stays
    plan = json.loads((out / SMALL.name / "plan.json").read_text())
    assert plan == {"images": 32, "validated": 500}
    assert measure.sources(LARGE, out) == measure.sources(SMALL, out) == [SMALL]
    for cell in (SMALL, LARGE):
        measure.judge(cell, SMALL, out, 12, root)
    found = results.collected(out)
    by_name = {cell["name"]: cell for cell in found["cells"]}
    for cell in (SMALL, LARGE):
        one = results.best(by_name[cell.name])
        assert one is not None and one["trained_on"] == 1500 and one["n"] == 12
        assert 0 <= one["low"] <= one["error"] <= one["high"] <= 1


def test_validations_are_of_the_time_that_there_is() -> None:
    """A scene that takes a quarter of a second eight times leaves no time to learn, of 500."""
    cheap = measure.planned({"seconds": 0.001, "training_seconds": 0.1}, 104.0, 16)
    assert cheap == {"images": 992, "validated": 500}
    dear = measure.planned({"seconds": 0.25, "training_seconds": 1.0}, 1200.0, 1)
    assert dear == {"images": 900, "validated": 150}
    assert measure.planned({"seconds": 9.0, "training_seconds": 90.0}, 60.0, 1) == {
        "images": 1,
        "validated": 1,
    }


@pytest.mark.skipif(not RESULTS.is_dir(), reason="results are in a checkout only")
def test_what_is_committed_stands_for_what_was_found(tmp_path: Path) -> None:
    found = results.read()
    results.lay(found, tmp_path)
    assert results.collected(tmp_path) == found
    # Its weights are not here, so no other canvas can be looked at with them.
    assert not any(measure.sources(cell, tmp_path) for cell in CELLS)
    kept = tmp_path / SMALL.name / "costs.json"
    kept.write_text("{}")
    results.lay(found, tmp_path)
    assert kept.read_text() == "{}"


def test_costs_by_canvas_are_those_of_whole_scenes(root: Path) -> None:
    found = measure.grown(root, (250, 8192), 1)["rounds"]
    small, large = found[0]["canvases"]
    assert (small["canvas"], large["canvas"]) == (250, 8192) and small["seconds"] > 0
    # Nothing as large as the canvas: 64 MiB as bytes alone.
    assert large["bytes"] == pytest.approx(small["bytes"], rel=0.05) and large["bytes"] < 2**26


def hungry(size: int) -> Json:
    return {"held": float(torch.ones(size, dtype=torch.uint8).float().sum())}


def test_who_holds_too_much_is_refused() -> None:
    assert measure.apart(hungry, 2**31) == {"refused": "does not fit in 4,096 MiB"}
