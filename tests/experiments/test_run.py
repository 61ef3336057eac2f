"""From a command to a result: recipes at a tiny size."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from hardattn import storage
from hardattn.agents import BACKBONES, Normalised
from hardattn.attention import BLOCKS, HEADS
from hardattn.data import Dataset, moments
from hardattn.estimators import refuse
from hardattn.evaluation.metrics import METRICS
from hardattn.experiments import build, measure, run as execute
from hardattn.experiments.command_line.parse import parse
from hardattn.experiments.commands.sweep import every
from hardattn.experiments.recipe import ProblemOptions, RunOptions, Spec, UsageError
from hardattn.experiments.recipes import RECIPES
from hardattn.experiments.trainers import trainer as trainers
from hardattn.training.optimizers import OPTIMIZERS
from hardattn.training.options import TrainOptions
from tests.support.commands import NET_RECIPE, OURS, RAM_RECIPE, TINY, fails, go, result_in
from tests.support.recipes import one_of_each

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "why, words",
    [
        ("of two looks", ["--estimator", "unordered_set"]),
        ("curriculum=0", ["--estimator", "unordered_set", "--looks", "2", "--curriculum", "0.5"]),
        ("RAM decides by a Gaussian", ["--estimator", "unordered_set", "--looks", "2"]),
        ("no place for a reward", ["--estimator", "vimco", "--bonus", "1"]),
        ("none passes a Retina", ["--estimator", "pathwise"]),
        ("needs an agent with a guide", ["--estimator", "wake_sleep"]),
    ],
)
def test_an_estimator_that_does_not_suit_is_refused_before_training(
    tiny: Path, capsys: pytest.CaptureFixture[str], why: str, words: list[str]
) -> None:
    fails(capsys, 2, f"estimator '{words[1]}' ... {why}", tiny, RAM_RECIPE, *words, *TINY)
    left = {path.suffix for path in tiny.rglob("*") if path.is_file()}
    assert not left & {".pt", ".jsonl"}, left


@pytest.mark.parametrize("name", list(OURS))
def test_every_recipe_is_built_and_learns_from_a_few_scenes(tiny: Path, name: str) -> None:
    """Its parts suit each other, and what it learns by reaches weights."""
    recipe = RECIPES[name]
    setting = execute.prepare(recipe.problem, RunOptions(device="cpu"))
    world, train = setting.world, setting.dataset.train
    agent = execute.build(recipe, world, setting.image, seed=0)
    if isinstance(agent, Normalised):
        agent.of(*moments(setting.dataset.train))
    assert recipe.estimator is not None
    curriculum = recipe.training.curriculum
    refuse(recipe.estimator.name, agent, world, setting.validation, curriculum)
    told, seen = world.sees(setting.smallest), (recipe.problem.first, recipe.problem.context)
    assert ("told" in told) == ("target" in seen)
    whole = "whole" in (recipe.problem.sensor.name, recipe.problem.context)
    # One may keep all patches, the other goes over all of them.
    whole |= "patch-drop" in name or "iterative-patch-selection" in name
    assert ("everything" in told) == (whole and "target" not in seen)
    generator = torch.Generator().manual_seed(1)
    scenes = setting.make(train, torch.arange(4), generator)
    estimator = build.estimator(recipe.estimator, agent, world)
    loss = estimator(agent, world, scenes, generator)
    loss.total.backward()
    gradients = [each.grad for each in agent.parameters() if each.grad is not None]
    assert gradients and all(each.isfinite().all() for each in (loss.total, *gradients))


def test_measuring_leaves_the_weights_alone(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Statistics of batch norm are weights too: all that is measured is measured on the same."""
    seen: list[dict[str, torch.Tensor]] = []
    real = measure.evaluate

    def watched(agent: Any, *rest: Any, **options: Any) -> Any:
        seen.append({name: value.clone() for name, value in agent.state_dict().items()})
        return real(agent, *rest, **options)

    monkeypatch.setattr(measure, "evaluate", watched)
    assert go(tiny, "soft", "--block", "se", *TINY) == 0
    assert len(seen) == 4  # as it is, sampled, and with each control
    for later in seen[1:]:
        for name, value in seen[0].items():
            assert torch.equal(later[name], value), name


def test_own_images_as_they_are_by_a_recipe_of_clutter(tiny: Path) -> None:
    from PIL import Image

    for number in range(24):
        folder = tiny / "own" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        grey = torch.full((20, 30), 40 + 60 * (number % 2) + number).byte().numpy()
        Image.fromarray(grey).save(folder / f"{number}.png")
    words = ["ram-cluttered-digits", "--dataset", f"folder:{tiny / 'own'}@16x24"]
    assert go(tiny / "out", *words, "--scene", "plain", *TINY) == 0
    found = result_in(tiny / "out")
    assert not {"canvas", "distractors"} & found["recipe"].keys()
    zoom = RECIPES["ram-cluttered-digits"].problem.scene.get("zoom", 1)
    assert found["world"]["image"] == [1, 16 * zoom, 24 * zoom]
    assert found["world"]["source"] == [1, 16, 24]


def test_how_images_are_resized_is_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse([RAM_RECIPE, "--help"])
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "Of a folder or the hub @64 or @48x64 at the end resizes every image" in said


def test_words_have_no_sum(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["ram-pairs", "--dataset", "fashion_mnist", "--answer", "sum", *TINY]
    fails(capsys, 2, "the class 'T-shirt/top' is none: ask for the pair", tiny, *words)
    words = ["ram-pairs", "--dataset", "mnist", "--answer", "sum", *TINY]
    fails(capsys, 2, "55 pairs, and 19 answers: give pairs_of=None", tiny, *words)
    assert go(tiny, *words, "--pairs-of", "None") == 0
    assert result_in(tiny)["world"]["classes"] == [str(total) for total in range(19)]


def test_all_stands_for_every_row() -> None:
    rows = every(["--block", "all", "--lr=0.1"])
    assert rows == [["--block", name, "--lr", "0.1"] for name in BLOCKS]
    both = every(["--backbone=all", "--head", "all"])
    assert len(both) == len(BACKBONES) * len(HEADS)
    assert every(["--optimizer", "all"]) == [["--optimizer", name] for name in OPTIMIZERS]
    assert every(["--lr", "0.1"]) == [["--lr", "0.1"]] and every([]) == [[]]
    with pytest.raises(UsageError, match="--lr"):
        every(["--lr", "all"])


@pytest.mark.parametrize("name", one_of_each(OURS))
def test_one_of_each_kind_runs(tiny: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """From its command to all that it leaves: whatever a recipe is made of, one that has it."""
    assert go(tiny, name, *TINY) == 0
    found = result_in(tiny)
    own = name.endswith("-folder")
    # Of ten digits, or twenty where they are turned, unless these are what is answered.
    assert found.get("named", 10) in (10, 20)
    assert (found.get("boxed", False), "normalised" in found) == (own, own)
    assert found.get("compared_with", []) == [
        found["name"].replace(name, other, 1) for other in RECIPES[name].controls
    ]
    assert set(found) - {"boxed", "normalised", "compared_with", "named"} == {
        *("format", "name", "title", "seed", "command", "recipe", "sees", "scenes", "world"),
        *("parameters", "flops", "cost", "figures", "controls", "training", "made_with"),
        *("data", "sources", "origin"),
    }
    assert found["title"].startswith(f"{RECIPES[name].title} (") and found["seed"] == 0
    assert "images=16" in found["title"]
    assert found["name"].startswith(name) and found["command"].startswith("hardattn train ")
    assert set(found["figures"]) == {"greedy", "sampled", "averaged"}
    for kind, figures in found["figures"].items():
        of_clusters = {"nmi", "ari"} if found["recipe"]["task"] == "cluster" else set()
        assert (
            set(figures) - {"passes", "draws"} == {"n", *METRICS, *of_clusters}
            and figures["n"] == 24
        )
        looks = found["world"]["looks"]
        assert 0 <= figures["error"] <= 1 and len(figures["error_after"]) == looks, kind
    assert found["training"]["images"] == 16 and found["training"]["images_per_second"] > 0
    assert [seen for seen, _ in found["training"]["curve"]] == [16]
    wanted = {
        "looks",
        "pixels_before",
        "pixels_per_look",
        "sensor",
        "size",
        "scales",
        "image",
        "classes",
    }
    assert wanted <= set(found["world"])
    wanted = {"torch", "python", "commit", "device", "threads", "hardattn", "processor"}
    assert wanted <= set(found["made_with"])
    recipe = RECIPES[name]
    if recipe.agent.get("script") == "oracle":
        assert found["figures"]["greedy"]["hit"] == 1
    said = capsys.readouterr().out
    assert f"{100 * found['figures']['greedy']['error']:.2f} % greedy" in said
    folder = next(tiny.rglob("result.json")).parent
    files = {path.name for path in folder.iterdir()}
    assert {"best.pt", "checkpoints", "columns.pt", "examples.pt", "metrics.jsonl"} <= files
    assert {"recipe.json", "command.txt"} <= files
    kept, columns = (storage.read(folder / name) for name in ("examples.pt", "columns.pt"))
    failed = kept["failures"]
    assert torch.equal(failed["target"], columns["greedy"]["target"][failed["index"]])
    assert len(failed["image"]) == len(failed["index"]) <= execute.FAILURES
    assert any("tfevents" in file for file in files)


@pytest.mark.parametrize(
    "words",
    [
        [RAM_RECIPE, "--looks", "1"],
        [RAM_RECIPE, "--optimizer", "sgd", "--schedule", "linear", "--each", "False"],
        [RAM_RECIPE, "--optimizer", "sam", "--rho", "0.1", "--train-fraction", "0.5"],
        [RAM_RECIPE, "--estimator", "leave_one_out", "--samples", "3", "--reward-only", "True"],
        [RAM_RECIPE, "--context", "target", "--bonus", "1", "--estimator", "self_critical"],
        [
            RAM_RECIPE,
            "--scene",
            "cluttered",
            "--distractors",
            "2",
            "--distractor-size",
            "5",
            "--core",
            "lstm",
        ],
        [RAM_RECIPE, "--scene", "localise", "--distractors", "0"],
        [NET_RECIPE, "--sensor", "retina", "--size", "4", "--scales", "2", "--net", "mlp"],
    ],
    ids=lambda words: " ".join(words[1:3]),
)
def test_what_may_be_combined_runs(tiny: Path, words: list[str]) -> None:
    assert go(tiny, *words, *TINY) == 0
    result_in(tiny)


def datasets_given(monkeypatch: pytest.MonkeyPatch) -> list[Dataset]:
    """What each training from here on is given, in order."""
    given: list[Dataset] = []
    real = execute.train

    def watched(*arguments: Any, **options: Any) -> Any:
        given.append(arguments[3])
        return real(*arguments, **options)

    monkeypatch.setattr(execute, "train", watched)
    return given


def test_a_share_of_the_labels_is_all_that_is_learned_from(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Validation and test stay whole."""
    given = datasets_given(monkeypatch)
    for share in ("1", "0.5"):
        assert go(tiny, RAM_RECIPE, "--train-fraction", share, *TINY) == 0
    counts = [one.train.labels.bincount(minlength=10) for one in given]
    assert counts[0].sum() == 24 and torch.equal(counts[1], (counts[0] + 1) // 2)
    assert [len(one.validation) for one in given] == [24, 24]
    errors = [json.loads(path.read_text()) for path in tiny.rglob("result.json")]
    assert {one["figures"]["greedy"]["n"] for one in errors} == {24}
    assert len({one["scenes"] for one in errors}) == 1


def test_a_share_of_the_test_images_is_all_that_is_measured_on(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training stays whole, and the data are the same; where scenes differ, their name does."""
    given = datasets_given(monkeypatch)
    for words in ([], ["--test-fraction", "0.5"], ["--test-fraction", "0.5", "--seed", "1"]):
        assert go(tiny, RAM_RECIPE, *words, *TINY) == 0
    assert [len(one.train) for one in given] == [24, 24, 24]
    for part in ("validation", "test"):
        whole, half, again = (getattr(one, part) for one in given)
        wanted = (whole.labels.bincount(minlength=10) + 1) // 2
        assert torch.equal(half.labels.bincount(minlength=10), wanted)
        assert torch.equal(half.images, again.images) and half.part == part
    assert len({one.fingerprint for one in given}) == 1
    found = [json.loads(path.read_text()) for path in tiny.rglob("result.json")]
    assert {len(one["scenes"].split(", ")) for one in found} == {4, 5}
    by_scenes = {one["scenes"]: one["figures"]["greedy"]["n"] for one in found}
    assert len(by_scenes) == 2 and max(by_scenes.values()) == 24 > min(by_scenes.values())


def test_the_pathwise_estimator_runs(tiny: Path) -> None:
    recipe = dataclasses.replace(
        RECIPES[RAM_RECIPE],
        problem=ProblemOptions(sensor=Spec("gaussian_window", size=4, sigma=1.0)),
        estimator=Spec("pathwise"),
        training=TrainOptions(images=16, batch_size=8),
    )
    result = trainers.execute("mine", recipe, RunOptions(out=tiny, device="cpu"), "by hand")
    assert result["figures"]["greedy"]["n"] == 24 and result_in(tiny)["world"]["scales"] is None
