"""From a command to a result: every recipe at a tiny size, and every way in which one can fail."""

import dataclasses
import fcntl
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch

from hardattn import storage
from hardattn.agents import BACKBONES
from hardattn.attention import BLOCKS, HEADS
from hardattn.data import DataError, Dataset, Split, load
from hardattn.estimators import refuse
from hardattn.evaluation import cost
from hardattn.evaluation.metrics import METRICS
from hardattn.experiments import build, cli, options, run as execute, trainers
from hardattn.experiments.cli import main
from hardattn.experiments.commands.sweep import every
from hardattn.experiments.options import nearest
from hardattn.experiments.parse import parse
from hardattn.experiments.recipe import ProblemOptions, RunOptions, Spec, UsageError, choose_rows
from hardattn.experiments.recipes import RECIPES
from hardattn.experiments.words import command_for
from hardattn.storage import CheckpointError
from hardattn.training.interrupt import Stopped
from hardattn.training.metrics import NotFinite
from hardattn.training.optimizers import OPTIMIZERS
from hardattn.training.options import TrainOptions

ROOT = Path(__file__).resolve().parents[2]
TINY = ["--images", "16", "--batch-size", "8", "--validate-every", "16", "--test-draws", "1"]
# Stable-Baselines3 has tests of its own.
OURS = {name: one for name, one in RECIPES.items() if one.trainer == "hardattn"}
RAM_RECIPE = next(name for name, one in RECIPES.items() if one.problem.dataset == "digits")
NET_RECIPE = next(
    name
    for name, one in RECIPES.items()
    if one.agent.name == "full_view" and one.problem.dataset == "digits"
)


@lru_cache
def small(name: str) -> Dataset:
    """A few images of a dataset; of digits blown up to its size where its files are missing."""
    try:
        whole = load(name) if name == "digits" or "HARDATTN_DATA" in os.environ else None
    except DataError:
        whole = None
    if whole is None:
        whole = load("digits")

    def few(split: Split) -> Split:
        images = split.images[:24]
        if name != "digits" and images.shape[-1] == 8:
            images = images.repeat_interleave(3, -1).repeat_interleave(3, -2)
            images = torch.nn.functional.pad(images, (2, 2, 2, 2))
        return Split(images, split.labels[:24])

    return Dataset(name, few(whole.train), few(whole.validation), few(whole.test), whole.classes)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Runs see a few images only, leave the process's settings alone, and go to this folder."""
    real = load

    def few(name: str, root: Path | None, device: torch.device) -> Dataset:
        known = name in ("digits", "mnist", "fashion_mnist") and root is None
        return small(name).to(device) if known else real(name, root, device)

    monkeypatch.setattr(execute, "load", few)
    monkeypatch.setattr(execute, "tune", lambda threads: "default")
    monkeypatch.setattr(execute, "PASSES", 2)
    monkeypatch.setattr(execute, "EXAMPLES", 4)
    monkeypatch.setattr(cost, "SECONDS", 0.0)
    yield tmp_path


def go(folder: Path, *words: str) -> int:
    """Run on the CPU, into that folder."""
    return main(["train", *words, "--out", str(folder), "--device", "cpu"])


def result_in(folder: Path) -> dict[str, Any]:
    """The only result below a folder, read as JSON that has no NaN."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    (path,) = folder.rglob("result.json")
    return json.loads(path.read_text(), parse_constant=refuse)


def fails(
    capsys: pytest.CaptureFixture[str], code: int, words: str, folder: Path, *arguments: str
) -> None:
    """The command ends with that code and one line that has these words in it."""
    capsys.readouterr()
    assert go(folder, *arguments) == code
    said = capsys.readouterr()
    assert not said.out and said.err.count("\n") == 1, said.err
    for word in words.split(" ... "):
        assert word in said.err
    assert said.err.startswith("error: ") or code > 100


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
def test_every_recipe_has_an_estimator_that_suits(tiny: Path, name: str) -> None:
    recipe = RECIPES[name]
    setting = execute.prepare(recipe.problem, RunOptions(device="cpu"))
    shape = setting.world.sensor.shape(setting.image)
    agent = build.agent(recipe.agent, shape, setting.world, setting.image)
    curriculum = recipe.training.curriculum
    refuse(recipe.estimator.name, agent, setting.world, setting.validation, curriculum)


def test_measuring_leaves_the_weights_alone(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Statistics of batch norm are weights too: all that is measured is measured on the same."""
    seen: list[dict[str, torch.Tensor]] = []
    real = execute.evaluate

    def watched(agent: Any, *rest: Any, **options: Any) -> Any:
        seen.append({name: value.clone() for name, value in agent.state_dict().items()})
        return real(agent, *rest, **options)

    monkeypatch.setattr(execute, "evaluate", watched)
    assert go(tiny, "soft", "--block", "se", *TINY) == 0
    assert len(seen) == 4  # as it is, sampled, and with each control
    for later in seen[1:]:
        for name, value in seen[0].items():
            assert torch.equal(later[name], value), name


@pytest.mark.parametrize("part", ["scene", "sensor", "estimator"])
def test_what_a_row_does_not_take_is_not_inherited_from_another(part: str) -> None:
    """Every recipe with every other scene, sensor and estimator; what is taken is inherited."""
    for name, recipe in OURS.items():
        before = recipe.specs()[part].options
        for row in options.rows(part):
            try:
                after = choose_rows(recipe, {part: row})
            except UsageError as fault:
                assert "nobody knows where the target is" in str(fault)
                continue
            takes = options.options_of(part, row)
            kept = {key: value for key, value in before.items() if key in takes}
            assert after.specs()[part] == Spec(row, **kept), (name, row)
            assert (
                dataclasses.replace(after, problem=recipe.problem, estimator=recipe.estimator)
                == recipe
            )


@pytest.mark.parametrize(
    "name, words, dropped, kept",
    [
        (
            "ram-cluttered-digits",
            ["--scene=plain"],
            "canvas distractors distractor_size",
            "zoom size scales",
        ),
        (
            "ram-cluttered-digits",
            ["--scene", "sequence"],
            "distractors distractor_size",
            "canvas zoom",
        ),
        ("ram-digits", ["--sensor", "gaussian_window"], "scales", "size canvas"),
        ("ram-leave-one-out-digits", ["--estimator", "reinforce"], "samples", "size lr"),
    ],
)
def test_a_command_inherits_what_it_can(
    name: str, words: list[str], dropped: str, kept: str
) -> None:
    label, recipe, _ = parse([name, *words])
    before, after = RECIPES[name].settings(), recipe.settings()
    for key in dropped.split():
        assert before[key] is not None and key not in after and key not in label
    for key in kept.split():
        assert after[key] == before[key] is not None


def test_what_is_said_is_not_dropped(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also where a recipe says the same: a wish that cannot be is refused."""
    name = "ram-cluttered-digits"
    canvas = str(RECIPES[name].problem.scene.get("canvas"))
    for words in (["--canvas", canvas], [f"--canvas={canvas}"], ["--distractors", "4"]):
        refusal = f"scene 'plain' takes no '{words[0][2:].partition('=')[0]}'"
        fails(capsys, 2, refusal, tiny, name, "--scene", "plain", *words)
    fails(capsys, 2, "sensor 'whole' takes no 'size'", tiny, name, "--sensor=whole", "--size=6")
    fails(capsys, 2, "no scene is called 'plane'", tiny, name, "--scene", "plane")
    _, recipe, _ = parse([name, "--zoom", "None", "--scene", "sequence"])
    assert recipe.problem.scene == Spec("sequence", canvas=int(canvas))


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
    assert "of the last two @64 or @48x64 at the end resizes every image" in said


def test_words_have_no_sum(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["ram-pairs", "--dataset", "fashion_mnist", "--answer", "sum", *TINY]
    fails(capsys, 2, "the class 'T-shirt/top' is none: ask for the pair", tiny, *words)
    assert go(tiny, "ram-pairs", "--dataset", "mnist", "--answer", "sum", *TINY) == 0
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


@pytest.mark.parametrize("name", list(OURS))
def test_what_all_recipes_have_alike_is_no_hyperparameter(name: str) -> None:
    recipe, everywhere = RECIPES[name], [one.settings() for one in RECIPES.values()]
    shown = execute.compared(recipe, RECIPES)
    own = {flag.name for flag in recipe.flags() if flag.part == "agent"}
    for key, value in recipe.settings().items():
        alike = all(one[key] == value for one in everywhere if key in one)
        assert (key in shown) == (not alike or key in own), key
    training = dataclasses.replace(recipe.training, momentum=0.123)
    changed = dataclasses.replace(recipe, training=training)
    assert set(execute.compared(changed, RECIPES)) == {*shown, "momentum"}


@pytest.mark.parametrize("name", list(OURS))
def test_every_recipe_runs(tiny: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert go(tiny, name, *TINY) == 0
    found = result_in(tiny)
    assert set(found) == {
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
    told = "target" in (recipe.problem.first, recipe.problem.context)
    assert ("told" in found["sees"]) == told
    whole = "whole" in (recipe.problem.sensor.name, recipe.problem.context)
    assert ("everything" in found["sees"]) == whole
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


@pytest.mark.parametrize("name", list(RECIPES))
def test_every_recipe_says_what_to_expect(name: str) -> None:
    recipe = RECIPES[name]
    assert recipe.title and recipe.about.endswith(".") and recipe.expect and recipe.minutes >= 0
    assert all(
        value is None or isinstance(value, str | int | float | bool | tuple)
        for value in recipe.settings().values()
    )
    assert recipe.settings() == dataclasses.replace(recipe).settings()


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


def test_a_share_of_the_labels_is_all_that_is_learned_from(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Validation and test stay whole."""
    given: list[Dataset] = []
    real = execute.train

    def watched(*arguments: Any, **options: Any) -> Any:
        given.append(arguments[3])
        return real(*arguments, **options)

    monkeypatch.setattr(execute, "train", watched)
    for share in ("1", "0.5"):
        assert go(tiny, RAM_RECIPE, "--train-fraction", share, *TINY) == 0
    counts = [one.train.labels.bincount(minlength=10) for one in given]
    assert counts[0].sum() == 24 and torch.equal(counts[1], (counts[0] + 1) // 2)
    assert [len(one.validation) for one in given] == [24, 24]
    errors = [json.loads(path.read_text()) for path in tiny.rglob("result.json")]
    assert {one["figures"]["greedy"]["n"] for one in errors} == {24}
    assert len({one["scenes"] for one in errors}) == 1


def test_the_pathwise_estimator_runs(tiny: Path) -> None:
    recipe = dataclasses.replace(
        RECIPES[RAM_RECIPE],
        problem=ProblemOptions(sensor=Spec("gaussian_window", size=4, sigma=1.0)),
        estimator=Spec("pathwise"),
        training=TrainOptions(images=16, batch_size=8),
    )
    result = trainers.execute("mine", recipe, RunOptions(out=tiny, device="cpu"), "by hand")
    assert result["figures"]["greedy"]["n"] == 24 and result_in(tiny)["world"]["scales"] is None


# The command line.


@pytest.mark.parametrize(
    "words, answer",
    [
        (["ram-digit"], "no recipe is called 'ram-digit': perhaps ram-digits"),
        (["--lr", "1"], "no recipe is called '--lr'"),
        ([RAM_RECIPE, "--lrr", "1"], "no field 'lrr': perhaps lr"),
        ([RAM_RECIPE, "--validate_ever=1"], "perhaps validate_every"),
        ([RAM_RECIPE, "--net", "cnn"], "agent 'ram' takes no 'net'"),
        ([RAM_RECIPE, "--lr", "fast"], "--lr ... 'fast'"),
        ([RAM_RECIPE, "--lr"], "--lr"),
        ([RAM_RECIPE, "--looks", "2.5"], "--looks ... '2.5'"),
        ([RAM_RECIPE, "stray"], "stray"),
        ([RAM_RECIPE, "--core", "gruu"], "no core is called 'gruu': perhaps gru"),
        ([RAM_RECIPE, "--optimizer", "adm"], "no optimizer is called 'adm': perhaps adam"),
        ([RAM_RECIPE, "--looks", "0"], "looks must be at least 1, not 0"),
        ([RAM_RECIPE, "--images", "-5"], "images must be at least 1"),
        ([RAM_RECIPE, "--estimator", "vimco", "--samples", "1"], "samples must be at least 2"),
        ([RAM_RECIPE, "--lr", "0"], "lr must be positive"),
        ([RAM_RECIPE, "--lr", "nan"], "lr must be positive"),
        ([RAM_RECIPE, "--lr", "inf"], "lr must be a finite number"),
        ([RAM_RECIPE, "--momentum", "nan"], "momentum must be"),
        ([RAM_RECIPE, "--momentum", "1"], "momentum must be below 1"),
        ([RAM_RECIPE, "--curriculum", "1.5"], "curriculum must be between 0 and 1, not 1.5"),
        (
            [RAM_RECIPE, "--train-fraction", "1.5"],
            "is a share ... at most 1, not 1.5",
        ),
        ([RAM_RECIPE, "--train-fraction", "0"], "train_fraction must be positive, not 0"),
        ([RAM_RECIPE, "--rho", "0.1"], "optimizer 'adam' takes no rho"),
        ([RAM_RECIPE, "--bonus", "nan"], "bonus must be a finite number"),
        ([RAM_RECIPE, "--std", "-1"], "std must be positive"),
        ([RAM_RECIPE, "--threads", "0"], "threads must be at least 1"),
        ([RAM_RECIPE, "--seed", "-1"], "seed must be at least 0"),
        ([RAM_RECIPE, "--seed", str(10**30)], "seed must be below"),
        ([RAM_RECIPE, "--test-seed", str(10**30)], "test_seed must be below"),
        # What only the code that it is for can tell.
        ([RAM_RECIPE, "--scene", "clutered"], "no scene is called 'clutered': perhaps cluttered"),
        ([RAM_RECIPE, "--sensor", "retna"], "perhaps retina"),
        ([RAM_RECIPE, "--first", "center"], "perhaps centre"),
        ([RAM_RECIPE, "--context", "targt"], "perhaps target"),
        ([RAM_RECIPE, "--script", "rastr"], "perhaps raster"),
        ([NET_RECIPE, "--net", "conv2014"], "perhaps conv_2014"),
        ([RAM_RECIPE, "--estimator", "self-critical"], "perhaps self_critical"),
        ([RAM_RECIPE, "--dataset", "digit"], "perhaps digits"),
        (
            [RAM_RECIPE, "--distractors", "3"],
            "scene 'translated' takes no 'distractors' ... canvas, zoom",
        ),
        ([RAM_RECIPE, "--sigma", "1"], "sensor 'retina' takes no 'sigma' ... size, scales"),
        ([RAM_RECIPE, "--samples", "4"], "'learned_baseline' takes no 'samples' ... reward_only"),
        ([RAM_RECIPE, "--canvas", "12"], "does not fit a canvas of 12x12"),
        ([RAM_RECIPE, "--device", "tpu9"], "device 'tpu9' cannot be used here"),
        ([NET_RECIPE, "--sensor", "retina"], "sensor 'retina' needs 'size'"),
        (["ram-mnist", "--scene", "translated"], "scene 'translated' needs 'canvas'"),
        ([RAM_RECIPE, "--scene", "search"], "no agent here is told"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_what_cannot_be_meant_is_answered_in_one_line(
    tiny: Path, capsys: pytest.CaptureFixture[str], words: list[str], answer: str
) -> None:
    capsys.readouterr()
    given = [*words, "--out", str(tiny)]
    if words[0] in RECIPES:
        given[1:1] = TINY  # what the case gives comes later, and counts
    device = [] if "--device" in words else ["--device", "cpu"]
    assert main(["train", *given, *device]) == 2
    said = capsys.readouterr()
    assert not said.out and said.err.startswith("error: ") and said.err.count("\n") == 1, said.err
    for part in answer.split(" ... "):
        assert part in said.err
    assert not list(tiny.iterdir())  # no folder of what never ran


def test_the_name_of_a_run_says_what_was_changed() -> None:
    name, recipe, where = parse([RAM_RECIPE, "--lr", "0.5", "--core", "lstm", "--seed", "3"])
    assert name == f"{RAM_RECIPE},core=lstm,lr=0.5" and where.seed == 3
    assert recipe.training.lr == 0.5 and recipe.agent.get("core") == "lstm"
    assert parse([RAM_RECIPE])[0] == RAM_RECIPE
    assert "/" not in parse([RAM_RECIPE, "--dataset", "folder:a/b"])[0]
    name, _, _ = parse([RAM_RECIPE, "--dataset", f"folder:{'long/' * 100}"])
    other, _, _ = parse([RAM_RECIPE, "--dataset", f"folder:{'long/' * 101}"])
    assert name != other and len(name) < 255 and name.startswith(RAM_RECIPE)


def test_nearest() -> None:
    assert nearest("zzz", ["a", "b"]) == "choose from a, b"


# A folder belongs to one run.


def test_what_is_done_is_not_done_again(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert go(tiny, RAM_RECIPE, *TINY) == 0
    first = capsys.readouterr().out
    (path,) = tiny.rglob("result.json")
    before = {each: each.read_bytes() for each in path.parent.rglob("*") if each.is_file()}
    monkeypatch.setattr(execute, "train", lambda *given, **named: pytest.fail("trained again"))
    monkeypatch.setattr(execute, "load", lambda *given: pytest.fail("loaded again"))
    assert go(tiny, RAM_RECIPE, *TINY) == 0
    assert capsys.readouterr().out == first
    assert {each: each.read_bytes() for each in path.parent.rglob("*") if each.is_file()} == before


def test_another_seed_is_another_folder(tiny: Path) -> None:
    for seed in ("0", "1"):
        assert go(tiny, RAM_RECIPE, *TINY, "--seed", seed) == 0
    assert len(list(tiny.rglob("result.json"))) == 2


def test_a_folder_of_another_recipe_is_refused(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert go(tiny, RAM_RECIPE, *TINY) == 0
    base = RECIPES[RAM_RECIPE]
    other = dataclasses.replace(base, training=dataclasses.replace(base.training, lr=0.123))
    monkeypatch.setitem(RECIPES, RAM_RECIPE, other)
    words = f"lr was {base.training.lr!r}, is 0.123 ... --out"
    fails(capsys, 2, words, tiny, RAM_RECIPE, *TINY)


def test_a_folder_in_use_is_refused_until_its_process_is_gone(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny / parse([RAM_RECIPE, *TINY])[0] / "seed-0"
    folder.mkdir(parents=True)
    ready, tell = os.pipe()
    child = os.fork()
    if not child:
        file = open(folder / ".lock", "w")  # noqa: SIM115  held until the process ends
        fcntl.flock(file, fcntl.LOCK_EX)
        os.write(tell, b".")
        signal.pause()
        os._exit(0)
    os.read(ready, 1)
    fails(capsys, 4, "in use by another process", tiny, RAM_RECIPE, *TINY)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(ready)
    os.close(tell)
    assert go(tiny, RAM_RECIPE, *TINY) == 0


def test_a_stopped_run_is_finished_by_the_same_command(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [RAM_RECIPE, *TINY]
    assert go(tiny / "whole", *words) == 0
    with monkeypatch.context() as patch:
        # Trained to the end, and struck before anything is measured.
        patch.setattr(execute, "measure", raising(KeyboardInterrupt()))
        assert go(tiny / "parts", *words) == 130
    assert go(tiny / "parts", *words) == 0
    whole, parts = result_in(tiny / "whole"), result_in(tiny / "parts")
    assert whole["figures"] == parts["figures"]
    assert whole["training"]["curve"] == parts["training"]["curve"]


def raising(fault: BaseException) -> Callable[..., Any]:
    def failing(*given: Any, **named: Any) -> Any:
        raise fault

    return failing


@pytest.mark.parametrize(
    "fault, code",
    [
        (DataError("no such file"), 2),
        (ValueError("it does not fit"), 2),
        (NotFinite("not finite at update 7"), 3),
        (CheckpointError("a.pt: damaged"), 5),
        (OSError("no space left"), 5),
        (Stopped("stopped after 12 images", 143), 143),
        (Stopped("stopped after 12 images", 130), 130),
        (KeyboardInterrupt(), 130),
    ],
    ids=lambda given: type(given).__name__ if isinstance(given, BaseException) else str(given),
)
def test_every_fault_has_its_exit_code_and_its_line(
    tiny: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fault: BaseException,
    code: int,
) -> None:
    monkeypatch.setattr(execute, "train", raising(fault))
    fails(capsys, code, str(fault), tiny, RAM_RECIPE, *TINY)
    assert str(code) in (cli.__doc__ or "")


def test_a_file_in_the_place_of_the_folder(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tiny / "taken").write_text("")
    fails(capsys, 5, "taken", tiny / "taken", RAM_RECIPE, *TINY)


def test_missing_data_is_one_line_that_names_the_files(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)  # and nothing is fetched
    empty = str(tiny / "empty")
    words = "train-images-idx3-ubyte.gz ... t10k-labels-idx1-ubyte.gz ... empty"
    fails(capsys, 2, words, tiny, "ram-mnist", *TINY, "--root", empty)
    fails(capsys, 2, "nowhere", tiny, RAM_RECIPE, *TINY, "--dataset", f"folder:{tiny}/nowhere")


def test_a_diverging_run_stops_with_its_own_code(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [RAM_RECIPE, "--optimizer", "sgd", "--lr", "1e30", "--warmup", "0"]
    fails(capsys, 3, "not finite at update", tiny, *words, *TINY[2:], "--images", "64")
    assert not list(tiny.rglob("result.json"))


def test_the_command_to_repeat_names_no_folder_of_this_machine() -> None:
    given = ["ram-digits", "--out", "/a/b", "--seed", "3", "--root=/c", "--lr", "0.1"]
    wanted = "hardattn train ram-digits --seed 3 --lr 0.1"
    assert command_for(given) == wanted
