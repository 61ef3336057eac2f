"""Stable-Baselines3 from a command to a result that stands beside ours."""

import pytest

pytest.importorskip("stable_baselines3", reason="pip install stable-baselines3 sb3-contrib")
pytest.importorskip("sb3_contrib", reason="pip install stable-baselines3 sb3-contrib")

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO

from hardattn.agents.sb3 import SB3Agent
from hardattn.data import Dataset, Split
from hardattn.envs import Problem
from hardattn.envs.sb3 import GlimpseVecEnv
from hardattn.evaluation.evaluate import evaluate
from hardattn.evaluation.metrics import error
from hardattn.experiments import measure, run as execute
from hardattn.experiments.benchmarks import environments
from hardattn.experiments.cli import main
from hardattn.experiments.command_line.parse import parse
from hardattn.experiments.recipe import RunOptions
from hardattn.experiments.recipes import RECIPES
from hardattn.report.rows import tables
from hardattn.report.runs import read
from hardattn.scenes import fixed_scenes
from hardattn.training.log import Log

TINY = ["--images", "24", "--envs", "4", "--validate-every", "12", "--test-draws", "1"]


SMALL = {
    "sb3-ppo": ["--steps", "6", "--batch-size", "12"],
    "sb3-recurrent-ppo": ["--steps", "6", "--batch-size", "12", "--memory", "8"],
    "sb3-a2c": ["--steps", "6"],
    "sb3-sac": ["--start", "8", "--batch-size", "4", "--updates", "1", "--buffer", "64"],
}


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Runs see a few images, and leave the process's settings alone."""
    whole = execute.load("digits")
    few = {
        name: Split(getattr(whole, name).images[:24], getattr(whole, name).labels[:24])
        for name in ("train", "validation", "test")
    }
    given = Dataset("digits", **few, classes=whole.classes)
    monkeypatch.setattr(execute, "load", lambda *rest: given)
    monkeypatch.setattr(execute, "tune", lambda threads: "default")
    monkeypatch.setattr(measure, "PASSES", 2)
    return tmp_path


def go(folder: Path, *words: str) -> int:
    return main(["train", *words, "--out", str(folder), "--device", "cpu"])


@pytest.mark.parametrize("name", list(SMALL))
def test_a_result_stands_beside_ours(name: str, tiny: Path) -> None:
    assert go(tiny, name, *TINY, *SMALL[name]) == 0
    ram = ["--images", "16", "--batch-size", "8", "--validate-every", "16", "--test-draws", "1"]
    assert main(["train", "ram-cluttered-digits", *ram, "--out", str(tiny), "--device", "cpu"]) == 0
    groups = read([tiny])
    found = {group.name.split(",")[0]: group.first.stored for group in groups}
    ours, theirs = found["ram-cluttered-digits"], found[name]
    assert theirs.keys() == ours.keys()
    for part in ("scenes", "sees", "world"):
        assert theirs[part] == ours[part]
    assert theirs["figures"]["greedy"].keys() == ours["figures"]["greedy"].keys()
    assert theirs["training"].keys() == ours["training"].keys()
    assert theirs["training"]["images"] >= 24 and theirs["flops"] > 0
    assert all(seen >= 12 * (n + 1) for n, (seen, _) in enumerate(theirs["training"]["curve"]))
    assert theirs["command"].startswith(f"hardattn train {name} --images 24")
    (table,) = tables(groups)
    row = next(row for row in table.rows if row.title.startswith(RECIPES[name].title))
    assert row.estimator == RECIPES[name].training.estimator and not row.control
    (folder,) = (tiny / theirs["name"]).iterdir()
    kept = {path.name for path in folder.iterdir()}
    assert {
        "best.pt",
        "model.zip",
        "columns.pt",
        "examples.pt",
        "metrics.jsonl",
        "recipe.json",
    } <= kept
    assert not any("unfinished" in file for file in kept)


def test_training_is_told_of_between_validations(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setattr("hardattn.experiments.run.Log", partial(Log, every=1))
    assert go(tiny, "sb3-ppo", *TINY, *SMALL["sb3-ppo"]) == 0
    (path,) = tiny.rglob("result.json")
    found = EventAccumulator(str(path.parent))
    found.Reload()
    told = [event.step for event in found.Scalars("training/images_per_second")]
    validated = [event.step for event in found.Scalars("validation/error")]
    assert set(validated) < set(told) and len(told) == len(set(told))
    curve = json.loads(path.read_text())["training"]["curve"]
    assert validated == [images for images, _ in curve]
    rate = parse(["sb3-ppo", *TINY, *SMALL["sb3-ppo"]])[1].training.lr
    for event in found.Scalars("training/learning_rate"):
        assert event.value == pytest.approx(rate * max(0, 1 - event.step / 24), abs=1e-9)


def test_what_is_measured_is_what_was_kept(tiny: Path) -> None:
    """The weights of the best validation, in the file and in the figures."""
    assert go(tiny, "sb3-ppo", *TINY, *SMALL["sb3-ppo"]) == 0
    (path,) = tiny.rglob("result.json")
    recipe = parse(["sb3-ppo", *TINY, *SMALL["sb3-ppo"]])[1]
    setting = execute.prepare(recipe.problem, RunOptions(device="cpu"))
    named = Problem(setting.world, setting.make, setting.dataset.train, setting.answers)
    env = GlimpseVecEnv(named, 2, **recipe.agent.arguments())
    agent = SB3Agent(PPO.load(path.parent / "model.zip", device="cpu"), env)
    test = fixed_scenes(setting.make, setting.dataset.test, recipe.problem.test_seed)
    kept = torch.load(path.parent / "columns.pt", weights_only=True)["greedy"]
    assert torch.equal(
        evaluate(agent, setting.world, test).log_probability, kept["log_probability"]
    )
    validated = evaluate(agent, setting.world, setting.validation)
    curve = json.loads(path.read_text())["training"]["curve"]
    assert min(wrong for _, wrong in curve) == pytest.approx(error(validated))


@pytest.mark.parametrize(
    "words, answer",
    [
        (["sb3-pppo"], "no recipe is called 'sb3-pppo': perhaps sb3-ppo"),
        (["sb3-ppo", "--lrr", "1"], "no field 'lrr': perhaps lr"),
        (["sb3-a2c", "--update-epochs", "3"], "no field 'update_epochs'"),
        (["sb3-ppo", "--grid", "0"], "grid must be at least 1"),
        (["sb3-ppo", "--discount", "1.5"], "discount must be between 0 and 1, not 1.5"),
        (["sb3-ppo", "--envs", "0"], "envs must be at least 1"),
        (["sb3-ppo", "--action", "cells"], "'cells'"),
        (["sb3-ppo", "--action", "move"], "a move is in units of the reach"),
        (["sb3-ppo", "--distractors", "-1"], "distractors must be at least 0"),
        (["sb3-sac", "--action", "cell"], "'cell'"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_what_cannot_be_meant_is_one_line(
    tiny: Path, capsys: pytest.CaptureFixture[str], words: list[str], answer: str
) -> None:
    assert go(tiny, *words) == 2
    said = capsys.readouterr()
    assert not said.out and said.err.startswith("error: ") and said.err.count("\n") == 1, said.err
    assert answer in said.err and not list(tiny.rglob("result.json"))


def test_without_the_package_it_says_what_to_install(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "stable_baselines3", None)
    assert go(tiny, "sb3-ppo", *TINY) == 2
    assert "pip install stable-baselines3 sb3-contrib" in capsys.readouterr().err


def test_diverged_and_stopped_runs_leave_no_result(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        go(tiny, "sb3-ppo", *TINY, *SMALL["sb3-ppo"], "--lr", "1e30", "--max-grad-norm", "1e30")
        == 3
    )
    assert "lower the learning rate" in capsys.readouterr().err

    def interrupted(*given: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(PPO, "train", interrupted)
    assert go(tiny, "sb3-ppo", *TINY, *SMALL["sb3-ppo"]) == 130
    assert "begins again" in capsys.readouterr().err
    assert not list(tiny.rglob("result.json")) and not list(tiny.rglob("*.zip"))


@pytest.mark.parametrize("name", list(SMALL))
def test_a_finished_run_is_alive_again(name: str, tiny: Path) -> None:
    """As those of our own loop: measured anew, its looks swapped, its scenes changed."""
    assert go(tiny, name, *TINY, *SMALL[name], "--seed", "2") == 0
    (path,) = tiny.rglob("result.json")
    first = json.loads(path.read_text())
    on_runs = [str(tiny), "--device", "cpu"]
    assert main(["evaluate", *on_runs]) == 0
    again = json.loads(path.read_text())
    assert again["figures"] == first["figures"] and again["origin"] == first["origin"]
    assert main(["swap", *on_runs]) == 0
    gain = json.loads((path.parent / "gain.json").read_text())
    assert gain["own"]["error"] == first["figures"]["greedy"]["error"] and "random" in gain["swaps"]
    assert main(["robustness", *on_runs, "--what", "contrast"]) == 0
    found = json.loads((path.parent / "characterisation.json").read_text())["found"]
    assert len(found["contrast"]["error"]) == len(found["contrast"]["at"])


def test_its_observer_is_not_retrained(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert go(tiny, "sb3-a2c", *TINY, *SMALL["sb3-a2c"]) == 0
    on_runs = [str(tiny), "--device", "cpu"]
    capsys.readouterr()
    assert main(["swap", *on_runs, "--retrain"]) == 0
    assert "no observer that could be trained alone" in capsys.readouterr().err
    assert main(["robustness", *on_runs, "--what", "contrast", "--train"]) == 2
    assert "does not learn from a share of the images" in capsys.readouterr().err


def test_a_sweep_trains_it_as_any_other(tmp_path: Path) -> None:
    small = ["--images", "24", "--validate-every", "24", "--test-draws", "1"]
    words = ["sb3-a2c", "--seeds", "2", "--workers", "1", "--envs", "4", "--steps", "6", *small]
    assert main(["sweep", *words, "--device", "cpu", "--out", str(tmp_path)]) == 0
    results = [json.loads(path.read_text()) for path in sorted(tmp_path.rglob("result.json"))]
    assert [one["seed"] for one in results] == [0, 1]
    assert all("latency" in one["cost"] for one in results)


def test_the_benchmark_compares_like_with_like() -> None:
    both = environments.problem(50)
    naive = environments.Naive(both.split.images[:, 0].numpy(), both.split.labels.numpy())
    naive.reset(seed=0)
    ours = GlimpseVecEnv(both, 1)
    shown = np.round(naive.image[8:-8, 8:-8] * 255)
    row = next(row for row, image in enumerate(naive.images) if (image == shown).all())
    ours.set_options({"index": row})
    ours.reset()
    generator = np.random.default_rng(0)
    for look in range(environments.LOOKS):
        action = generator.uniform(-1.2, 1.2, naive.action_space.shape).astype(np.float32)  # type: ignore[arg-type]
        seen, reward, over, _, _ = naive.step(action)
        shown, gained, done, infos = ours.step(action[None])
        shown = infos[0]["terminal_observation"] if over else shown[0]
        assert over == done[0] == (look + 1 == environments.LOOKS) and reward == gained[0]
        if not over:  # nothing more is looked at, and ours says when it last looked
            np.testing.assert_allclose(seen, shown, atol=1e-6)
