"""Pictures of one's own, normalised: whoever looks later sees them as the training did."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import hardattn
from hardattn.agents import Normalised
from hardattn.data import load, moments
from hardattn.evaluation import cost
from hardattn.evaluation.evaluate import evaluate
from hardattn.experiments.cli import main
from hardattn.experiments.command_line.parse import parse
from hardattn.experiments.recipe import RunOptions, UsageError
from hardattn.experiments.recipes import RECIPES
from hardattn.experiments.revive import RunLoader
from hardattn.experiments.run import build
from hardattn.experiments.sharing import handed_on
from hardattn.nn.networks import IMAGENET, Normalise
from hardattn.sensors import Whole
from hardattn.tasks import Classify
from hardattn.world import Observation, World

TINY = "--images 64 --batch-size 32 --validate-every 32 --device cpu --track csv".split()


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two kinds of noise in colour, far from black and far from each other in their channels."""
    top, rng = tmp_path_factory.mktemp("own") / "photos", np.random.default_rng(0)
    for kind, low in (("dusk", 60), ("noon", 120)):
        (top / kind).mkdir(parents=True)
        for number in range(20):
            array = rng.integers(low, low + 100, (16, 20, 3), np.uint8)
            Image.fromarray(array // np.array([1, 2, 4], np.uint8)).save(
                top / kind / f"{number}.png"
            )
    return top


@pytest.fixture(scope="module")
def runs(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Finished runs of an agent that looks and of one that sees everything."""
    top = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cost, "SECONDS", 0.0)
        patch.setattr("hardattn.experiments.measure.PASSES", 1)
        patch.setattr("hardattn.experiments.run.tune", lambda threads: "default")
        for recipe in ("ram-folder", "soft-folder"):
            words = ["--dataset", f"folder:{photos}", *TINY, "--out", str(top)]
            assert main(["train", recipe, *words]) == 0
    return top


def of(runs: Path, name: str) -> Path:
    (found,) = (
        path.parent for path in runs.rglob("result.json") if path.parts[-3].startswith(name)
    )
    return found


@pytest.mark.parametrize("name", ["ram", "soft"])
def test_a_run_keeps_what_its_training_images_have(runs: Path, photos: Path, name: str) -> None:
    result = json.loads((of(runs, name) / "result.json").read_text())
    mean, spread = moments(load(f"folder:{photos}").train)
    told = result["normalised"]
    assert told["mean"] == pytest.approx(mean.tolist()) and len(mean) == 3
    assert told["spread"] == pytest.approx(spread.tolist())
    agent = hardattn.load(of(runs, name)).agent
    assert isinstance(agent, Normalised) and agent.mean.tolist() == told["mean"]


@pytest.mark.parametrize("name", ["ram", "soft"])
def test_evaluation_looking_and_the_handed_on_folder_see_the_same(
    runs: Path, photos: Path, tmp_path: Path, name: str
) -> None:
    folder = of(runs, name)
    loaded = RunLoader(RunOptions(device="cpu"))(
        folder, json.loads((folder / "result.json").read_text())
    )
    assert not loaded.differs
    agent, world = handed_on.load(handed_on.deploy(folder, tmp_path / "out", graphs=False))
    draw = hardattn.load(folder).draw
    again = evaluate(agent, world, loaded.test, draw)
    assert torch.equal(again.log_probability, loaded.columns.log_probability)
    photo = next((photos / "dusk").glob("*.png"))
    _, one = hardattn.look(folder, photo)
    _, other = hardattn.look(tmp_path / "out", photo)
    assert torch.equal(one.log_probability, other.log_probability)


def test_a_graph_takes_images_as_they_are(runs: Path, tmp_path: Path) -> None:
    """Its weights, mean and spread among them, are all in it."""
    folder = of(runs, "soft")
    out = handed_on.deploy(folder, tmp_path / "out")
    graph = torch.export.load(out / "forward.pt2").module()
    agent, world = handed_on.load(out)
    images = torch.rand(5, *hardattn.load(folder).image)
    place = torch.zeros(5, world.places)
    seen = Observation(images, place, place[:, 0])
    with torch.no_grad():
        wanted = agent.step(agent.start(place[:, :0]), seen)[1].logits
        assert torch.allclose(graph(images), wanted, atol=1e-5)


def test_it_is_an_option_that_only_pictures_of_ones_own_have_by_default(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = {name for name, recipe in RECIPES.items() if recipe.problem.normalise}
    assert own == {name for name in RECIPES if name.endswith("-folder")}
    _, recipe, _ = parse(["cnn-folder", "--dataset", "folder:photos", "--normalise", "False"])
    assert not recipe.problem.normalise
    pytest.importorskip("stable_baselines3")
    out = ["--out", str(tmp_path / "runs"), "--device", "cpu"]
    assert main(["train", "sb3-ppo", "--normalise", *out]) == 2
    assert "no --normalise" in capsys.readouterr().err and not (tmp_path / "runs").exists()


def test_what_normalises_by_itself_is_not_shown_normalised_images() -> None:
    world = World(Whole(), Classify(2), looks=1, first="centre")
    recipe = RECIPES["soft-folder"]
    own = dataclasses.replace(recipe, agent=recipe.agent.but(backbone=f"{__name__}:pretrained"))
    with pytest.raises(UsageError, match="give --normalise False"):
        build(own, world, (3, 16, 16))
    plain = dataclasses.replace(own, problem=dataclasses.replace(own.problem, normalise=False))
    assert not isinstance(build(plain, world, (3, 16, 16)), Normalised)


def pretrained() -> nn.Module:
    """As somebody writes it whose network was trained on normalised images."""
    return nn.Sequential(Normalise(*IMAGENET), nn.Conv2d(3, 8, 3, stride=2))
