"""What a run was made from: said when it is used or taken up again under other code or data."""

import dataclasses
import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from hardattn.evaluation import cost
from hardattn.experiments import build, measure, run as execute
from hardattn.experiments.cli import attempt, main
from hardattn.experiments.command_line.parse import parse
from hardattn.experiments.command_line.words import command_for
from hardattn.experiments.commands.train import Training, run as train
from hardattn.experiments.recipe import ProblemOptions, Recipe, RunOptions, Spec, UsageError
from hardattn.experiments.recipes import RECIPES
from hardattn.experiments.records import sources
from hardattn.experiments.revive import RunLoader
from hardattn.training.log import Log
from hardattn.training.options import TrainOptions

MINE = '''
"""An agent from outside, with a module of its own for what it is made of."""

from my_layers import Wide
from hardattn.agents import FullView


class Mine(FullView):
    def __init__(self, *shape):
        super().__init__(*shape, net="mlp")
        self.more = Wide(1, 1)


'''


LAYERS = "from torch import nn\n\n\nclass Wide(nn.Linear):\n    pass\n"


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of two modules and one that nothing of it uses; runs go there quickly."""
    for name, text in (("my_agent", MINE), ("my_layers", LAYERS), ("my_notes", "NOTES = 1\n")):
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(execute, "tune", lambda threads: "default")
    monkeypatch.setattr(measure, "PASSES", 1)
    monkeypatch.setattr(cost, "SECONDS", 0.0)
    yield tmp_path
    for name in ("my_agent", "my_layers", "my_notes"):
        sys.modules.pop(name, None)


def recipe_of(folder: Path) -> Recipe:
    importlib.invalidate_caches()
    for name in ("my_agent", "my_layers"):
        sys.modules.pop(name, None)
    training = TrainOptions(images=64, batch_size=16, validate_every=32)
    problem = ProblemOptions(sensor=Spec("whole"), looks=1, first="centre")
    return Recipe("mine", "", problem=problem, agent=Spec("my_agent:Mine"), training=training)


def go(folder: Path, **named: Any) -> int:
    run = RunOptions(out=folder / "runs", device="cpu", **named)
    return attempt(lambda: train(Training("mine", recipe_of(folder), run, "by hand")))


def result_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "runs/mine/seed-0/result.json").read_text())


def edit(file: Path) -> None:
    file.write_text(f"{file.read_text()}# edited\n")


def stop_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal comes at the first validation."""
    real = Log.validation

    def stopping(self: Log, *given: Any) -> None:
        monkeypatch.setattr(Log, "validation", real)
        os.kill(os.getpid(), signal.SIGINT)
        real(self, *given)

    monkeypatch.setattr(Log, "validation", stopping)


OURS = [
    name
    for name, one in RECIPES.items()
    if one.problem.dataset == "digits" and one.trainer == "hardattn"
]


NO_WEIGHT = (
    *("hardattn.training.log", "hardattn.training.checkpoint", "hardattn.storage"),
    "hardattn.training.tracking",
    "hardattn.evaluation.metrics",
)


@pytest.mark.parametrize("name", OURS)
def test_every_recipe_knows_what_it_is_made_of(name: str) -> None:
    recipe = RECIPES[name]
    side = recipe.problem.scene.get("canvas") or 8
    image = (1, side, side * (recipe.problem.scene.get("frames") or 1))
    world, make, _ = build.built(recipe.problem, list("0123456789"), (1, 8, 8))
    agent = build.agent(recipe.agent, world.sensor.shape(image), world, image)
    estimator = build.estimator(recipe.estimator, agent, world)
    made_of = (type(agent), agent, estimator, world, world.sensor, world.task)
    found = sources.files(*made_of, make, execute.train, execute.rollout)
    used = {type(part).__module__ for part in agent.modules()}
    used |= {
        type(world).__module__,
        "hardattn.training.loop",
        "hardattn.rollout",
        type(world.sensor).__module__,
        "hardattn.training.optimizers",
        "hardattn.evaluation.evaluate",
    }
    assert found.keys() >= {module for module in used if module.startswith("hardattn")}
    assert any(module.startswith("hardattn.estimators.") for module in found)
    others = {f"hardattn.agents.{path.stem}" for path in Path("agents").glob("*.py")}
    assert len(found.keys() & others) <= 6  # its own, and those that it is built on
    assert not any(
        module.startswith(("hardattn.data", "hardattn.report", "hardattn.viz", *NO_WEIGHT))
        for module in found
    )
    assert not any(module.startswith("torch") for module in found)
    assert sources.changed(found) == []


def test_what_is_used_again_says_how_old_it_is_and_what_changed(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert go(mine) == 0
    first = capsys.readouterr()
    result = result_of(mine)
    files = result["sources"]["files"]
    assert {"my_agent", "my_layers", "hardattn.agents.full_view"} <= files.keys()
    assert result["sources"]["changed"] == [] and "my_notes" not in files
    assert "--again" not in first.err
    edit(mine / "my_notes.py")
    (mine / "my_agent.py").touch()
    assert go(mine) == 0
    said = capsys.readouterr()
    assert said.out == first.out and said.err.count("\n") == 1
    day = result["made_with"]["finished"].split("T")[0]
    assert day in said.err and str(result["made_with"]["commit"]) in said.err
    assert "--again" in said.err and "changed" not in said.err
    for module in ("my_layers", "my_agent"):
        edit(mine / f"{module}.py")
        assert go(mine) == 0
        assert f"{module}" in capsys.readouterr().err
    assert result_of(mine) == result


def test_again_runs_it_anew_but_not_before_it_can(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert go(mine) == 0
    folder, before = mine / "runs/mine/seed-0", result_of(mine)
    (folder / "gain.json").write_text("{}")  # of the weights that will be no more
    (folder / "notes.txt").write_text("mine")
    (mine / "my_agent.py").write_text(MINE.replace("Wide(1, 1)", "Wide(1, 0, 0, 0, 0)"))
    with pytest.raises(TypeError):
        go(mine, again=True)
    assert result_of(mine) == before and (folder / "best.pt").exists()
    (mine / "my_agent.py").write_text(MINE.replace("Wide(1, 1)", "Wide(1, 2)"))
    assert go(mine, again=True) == 0
    after = result_of(mine)
    assert after["parameters"] == before["parameters"] + 2
    assert after["sources"]["files"]["my_agent"] != before["sources"]["files"]["my_agent"]
    assert after["sources"]["changed"] == [] and not (folder / "gain.json").exists()
    assert (folder / "notes.txt").exists()
    assert len(list(folder.glob("events.out.tfevents.*"))) <= 2  # one is of the hyperparameters
    capsys.readouterr()


def test_going_on_under_changed_code_is_said_and_stands_in_the_result(
    mine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stop_once(monkeypatch)
    assert go(mine) == 130
    edit(mine / "my_notes.py")
    edit(mine / "my_layers.py")
    capsys.readouterr()
    assert go(mine) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "changed code" in line]
    assert len(said) == 1 and "my_layers differs" in said[0] and "my_agent" not in said[0]
    assert result_of(mine)["sources"]["changed"] == ["my_layers"]


def test_going_on_with_the_same_code_says_nothing(
    mine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stop_once(monkeypatch)
    assert go(mine) == 130
    assert "the same command goes on" in capsys.readouterr().err
    edit(mine / "my_notes.py")
    assert go(mine) == 0
    assert "changed" not in capsys.readouterr().err
    assert result_of(mine)["sources"]["changed"] == []


def test_a_stopped_run_begins_anew_where_that_is_asked(
    mine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stop_once(monkeypatch)
    assert go(mine, again=True) == 130
    assert "without --again goes on" in capsys.readouterr().err
    edit(mine / "my_layers.py")
    assert go(mine, again=True) == 0
    assert result_of(mine)["sources"]["changed"] == []


def test_again_is_no_part_of_the_recipe_or_its_command() -> None:
    words = ["ram-digits", "--again", "--lr", "0.5"]
    name, recipe, run = parse(words)
    assert run.again and name == "ram-digits,lr=0.5" and "again" not in recipe.settings()
    assert command_for(words) == "hardattn train ram-digits --lr 0.5"
    assert command_for(["ram-digits", "--again", "True", "--lr", "1"]).endswith("digits --lr 1")
    assert not parse(["ram-digits", "--again", "False"])[2].again
    assert not parse(["ram-digits"])[2].again


def test_weights_of_other_code_are_measured_with_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By all that make runs alive again: swap, robustness, evaluate."""
    monkeypatch.setattr(measure, "PASSES", 1)
    tiny = ["--images", "32", "--batch-size", "16", "--validate-every", "32", "--test-draws", "1"]
    assert main(["train", "cnn-digits", *tiny, "--device", "cpu", "--out", str(tmp_path)]) == 0
    (path,) = tmp_path.rglob("result.json")
    result = json.loads(path.read_text())
    capsys.readouterr()
    RunLoader(RunOptions(device="cpu"))(path.parent, result)
    assert capsys.readouterr().err == ""
    result["sources"]["files"] |= {"hardattn.agents.full_view": "0" * 16, "gone.from_here": "1"}
    revive = RunLoader(RunOptions(device="cpu"))
    for _ in range(2):
        revive(path.parent, result)
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "full_view" in said and "gone.from_here" in said
    del result["sources"]  # one of before
    revive(path.parent, result)
    assert capsys.readouterr().err == ""


def test_a_partial_a_class_and_an_object_have_the_sources_of_their_own() -> None:
    found = sources.files(dataclasses.replace, torch.nn.Linear(1, 1), 3, None, "x", (1,))
    assert found == {}  # of libraries alone
    sensor = Spec("retina", size=3)
    world, make, _ = build.built(
        ProblemOptions(scene=Spec("catch"), sensor=sensor), "ab", (1, 8, 8)
    )
    found = sources.files(world, make)
    assert "hardattn.sensors.sensor" in found and "hardattn.catch" in found


def test_a_run_that_fails_before_it_did_anything_leaves_no_folder(
    mine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def raising(*given: Any, **named: Any) -> None:
        raise ValueError("not like this")

    with monkeypatch.context() as patch:
        patch.setattr(execute, "train", lambda *given, log, **named: log.start(0, 1) or raising())
        assert go(mine) == 2
    assert not (mine / "runs").exists()
    (mine / "runs/other").mkdir(parents=True)
    with monkeypatch.context() as patch:
        patch.setattr(execute, "prepare", raising)
        assert go(mine) == 2
    assert [path.name for path in (mine / "runs").iterdir()] == ["other"]
    with monkeypatch.context() as patch:
        patch.setattr(execute, "conclude", raising)  # after it was trained, everything stays
        assert go(mine) == 2
    assert (mine / "runs/mine/seed-0/best.pt").exists()
    capsys.readouterr()


def grow(folder: Path, count: int) -> str:
    """A folder of two classes of so many images each; the name of its dataset."""
    for number in range(count):
        for shade, kind in ((40, "a"), (160, "b")):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            path = folder / kind / f"{number}.png"
            if not path.exists():
                Image.new("L", (8, 8), shade + number).save(path)
    return f"folder:{folder}"


def on(folder: Path, out: Path, **named: Any) -> int:
    """Train on the images of a folder."""
    problem = ProblemOptions(f"folder:{folder}", sensor=Spec("whole"), looks=1, first="centre")
    recipe = dataclasses.replace(recipe_of(out), problem=problem)
    return attempt(
        lambda: train(
            Training("mine", recipe, RunOptions(out=out / "runs", device="cpu", **named), "by hand")
        )
    )


def test_a_stopped_run_does_not_go_on_with_other_data(
    mine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = mine / "pictures"
    grow(pictures, 6)
    stop_once(monkeypatch)
    assert on(pictures, mine) == 130
    before = json.loads((mine / "runs/mine/seed-0/sources.json").read_text())["data"]
    extra = pictures / "a" / "extra.png"
    Image.new("L", (8, 8), 9).save(extra)
    steps = sorted((mine / "runs/mine/seed-0/checkpoints").iterdir())
    capsys.readouterr()
    assert on(pictures, mine) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and before in said and "--again" in said
    assert sorted((mine / "runs/mine/seed-0/checkpoints").iterdir()) == steps
    extra.unlink()
    for path in pictures.rglob("*.png"):
        path.touch()
    assert on(pictures, mine) == 0
    assert result_of(mine)["data"] == before


def test_weights_are_not_measured_on_other_data(mine: Path) -> None:
    tiny = ["--images", "32", "--batch-size", "16", "--validate-every", "32", "--test-draws", "1"]
    words = ["soft", *tiny, "--dataset", grow(mine / "pictures", 6), "--canvas", "None"]
    words += [
        "--scene",
        "plain",
        "--zoom",
        "None",
        "--distractors",
        "None",
        "--distractor-size",
        "None",
    ]
    assert main(["train", *words, "--device", "cpu", "--out", str(mine / "runs")]) == 0
    (path,) = mine.rglob("result.json")
    result = json.loads(path.read_text())
    RunLoader(RunOptions(device="cpu"))(path.parent, result)
    grow(mine / "pictures", 9)
    with pytest.raises(UsageError, match="not those that it was trained on"):
        RunLoader(RunOptions(device="cpu"))(path.parent, result)


OWN = """
import sys
from experiments.records import sources
class Mine: pass
print(sources.files(Mine), sources.changed({"script other.py": "1", sys.argv[1]: "1"}))
"""


def test_what_is_run_goes_by_its_own_name(tmp_path: Path) -> None:
    """A class of the program itself is one of __main__, which is another program another time."""
    (tmp_path / "mine.py").write_text(OWN)
    path = {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path.cwd())])}
    for words, name in (([str(tmp_path / "mine.py")], "script mine.py"), (["-m", "mine"], "mine")):
        said = subprocess.run(
            [sys.executable, *words, name],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | path,
        ).stdout
        assert said.startswith(f"{{'{name}': ") and said.endswith(f"}} ['{name}']\n"), said
