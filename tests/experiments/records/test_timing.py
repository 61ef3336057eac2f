"""Times are taken once an architecture, and not beside a training."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hardattn.evaluation import cost
from hardattn.experiments.command_line.parse import parse
from hardattn.experiments.recipe import RunOptions
from hardattn.experiments.recipes import RECIPES
from hardattn.experiments.records import timing
from hardattn.experiments.sweeps.parallel import sweep, take_times
from hardattn.experiments.trainers.trainer import execute

SMALL = [
    "--images",
    "256",
    "--batch-size",
    "64",
    "--looks",
    "2",
    "--hidden",
    "16",
    "--device",
    "cpu",
]


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "SECONDS", 0.0)


def trained(out: Path, *words: str) -> Path:
    """The folder of a run."""
    name, recipe, run = parse(["ram-digits", *SMALL, *words, "--out", str(out)])
    execute(name, recipe, run, "a command")
    return out / name / f"seed-{run.seed}"


def costs(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "result.json").read_text())["cost"])


def test_a_run_beside_a_training_leaves_times_out_and_they_are_filled_in_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with timing.work():
        one = trained(tmp_path)
        assert costs(one)["flops"] > 0 and not {"latency", "throughput"} & costs(one).keys()
        take_times([one], RunOptions(device="cpu"))  # it is not alone yet
        assert "latency" not in costs(one) and "not timed" in capsys.readouterr().err
        two = trained(tmp_path, "--seed", "1", "--estimator", "reinforce")
    wider = trained(tmp_path, "--hidden", "24")
    assert costs(wider)["latency"]["clock"] == "processor", "it was alone"
    take_times([one, two, tmp_path / "nowhere" / "seed-0", wider], RunOptions(device="cpu"))
    # What an update costs is the estimator's, and other.
    of_one, of_two = ({**costs(run), "training_flops": None} for run in (one, two))
    assert of_one == of_two and of_one["latency"]["passes"] == cost.PASSES
    assert costs(wider)["architecture"] != costs(one)["architecture"]
    assert costs(wider)["latency"] != costs(one)["latency"]


def test_whoever_is_timed_is_alone() -> None:
    with timing.alone() as one, timing.alone() as other:
        assert one and not other
    with timing.work(), timing.work(), timing.alone() as third:
        assert not third
    with timing.alone() as again:
        assert again


def test_a_training_in_another_folder_is_a_training_beside_it(tmp_path: Path) -> None:
    """By another process, into a folder of its own: this one waits for its times."""
    with timing.alone() as before:
        assert before
    script = (
        "from hardattn.experiments.records import timing\n"
        "at = timing.work(); print(flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdin is not None and other.stdout is not None
        other.stdout.readline()
        assert "latency" not in costs(trained(tmp_path))
        other.communicate(b"\n")
    assert other.returncode == 0
    with timing.alone() as after:
        assert after


def test_an_architecture_is_the_agent_and_its_world_whatever_it_learned_by() -> None:
    base = RECIPES["ram-digits"]
    made = {"processor": "one", "torch": "2"}
    for recipe in RECIPES.values():
        mine = timing.architecture(recipe, made)
        taught = dataclasses.replace(
            recipe, training=base.training, estimator=base.estimator, title="another"
        )
        assert timing.architecture(taught, made) == mine
        looks = dataclasses.replace(recipe.problem, looks=recipe.problem.looks + 1)
        assert timing.architecture(dataclasses.replace(recipe, problem=looks), made) != mine
        assert timing.architecture(recipe, {**made, "processor": "other"}) != mine
    wider = dataclasses.replace(base, agent=base.agent.but(hidden=7))
    assert timing.architecture(wider, made) != timing.architecture(base, made)


def test_a_sweep_times_when_all_have_ended(tmp_path: Path) -> None:
    words = ["ram-digits", *SMALL, "--out", str(tmp_path), "--seed"]
    assert sweep([[*words, "0"], [*words, "1"]], 2) == 0
    found = [costs(path.parent) for path in sorted(tmp_path.rglob("result.json"))]
    assert len(found) == 2 and all(one["latency"]["clock"] == "processor" for one in found)
