"""One name is one problem: built by a recipe or by an environment, it is the same to the bit."""

import json
from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from hardattn import scenes
from hardattn.catch import Catch
from hardattn.data import Dataset, Split, load
from hardattn.envs import CATALOGUE, problem_of
from hardattn.envs.catalogue import REWARDS, document
from hardattn.experiments import build
from hardattn.experiments.recipe import ProblemOptions as Said, from_settings
from hardattn.experiments.revive import recipe_of
from hardattn.problem import ASKED, SCENES, Problem, problem, world_of
from hardattn.scenes import pairs
from hardattn.sensors import Retina
from hardattn.tasks import Classify, Cluster, Localise, Questions, Sequence
from hardattn.world import World

# A name of the catalogue for each scene, whose settings are tried both ways.
ENVIRONMENTS = {
    entry.scene: name for name, entry in CATALOGUE.items() if entry.dataset in ("", "digits")
}
TOLD = [name for name in SCENES if not SCENES[name].cued]
IMAGE = (1, 8, 8)
RESULTS = Path(__file__).resolve().parents[2] / "experiments" / "results"


@lru_cache
def digits() -> Dataset:
    return load("digits")


def parts(one: Any) -> Any:
    """An object's own values, and theirs, to be compared."""
    own = World | Classify | Sequence | Questions | Cluster | Retina
    if isinstance(one, own) or hasattr(one, "pixels"):
        return type(one), {name: parts(value) for name, value in vars(one).items()}
    return one


def said_of(scene: str, **settings: Any) -> Said:
    """What a recipe with these settings says of its problem."""
    return from_settings({"agent": "ram", "scene": scene, **settings}, scene).problem


def both(scene: str, asked: dict[str, Any]) -> tuple[Problem, Any]:
    """As a recipe says it and as the catalogue does, with the same settings."""
    entry = CATALOGUE[ENVIRONMENTS[scene]]
    said = said_of(scene, **entry.settings | asked)
    taken = {key: value for key, value in asked.items() if key in SCENES[scene].asked}
    theirs = problem_of(ENVIRONMENTS[scene], "test", **taken)
    # Of a dataset there is nothing in scenes that are invented but the number of channels.
    classes = digits().classes if entry.dataset else ()
    return build.built(said, classes, theirs.split.images.shape[1:]), theirs


@pytest.mark.parametrize("each, bonus", product((False, True), (0.0, 1.0)))
@pytest.mark.parametrize("name", TOLD)
def test_recipes_and_environments_build_the_same_problem(
    name: str, each: bool, bonus: float
) -> None:
    """Worlds, tasks, answers, scenes; rewards and losses of random answers to the bit."""
    ours, theirs = both(name, {"each": each, "bonus": bonus})
    assert parts(ours.world) == parts(theirs.world)
    assert ours.answers == theirs.answers
    assert len(ours.answers) == ours.world.task.choices
    generators = (torch.Generator().manual_seed(3) for _ in range(2))
    index = torch.arange(400) % len(theirs.split)
    one, other = (
        made.make(theirs.split, index, drawn)
        for made, drawn in zip((ours, theirs), generators, strict=True)
    )
    for left, right in zip(one, other, strict=True):
        assert torch.equal(left.nan_to_num(9), right.nan_to_num(9))
    looks, drawn = ours.world.looks, torch.Generator().manual_seed(4)
    logits = torch.randn(looks, 400, ours.world.task.classes, generator=drawn)
    final = torch.zeros(looks, 400)
    final[torch.randint(looks, (400,), generator=drawn), torch.arange(400)] = 1
    found, wanted = (
        each_of.outcome(each_of.open(made), logits, made.target, final)
        for each_of, made in ((ours.world, one), (theirs.world, other))
    )
    for left, right in zip(found, wanted, strict=True):
        assert torch.equal(left, right)
    assert found[0].any() == bool(bonus and "bonus" in SCENES[name].asked)


def test_every_scene_is_an_environment_and_one_that_needs_telling_tells_recipes() -> None:
    assert set(ENVIRONMENTS) == set(SCENES)
    cued = set(SCENES) - set(TOLD)
    assert cued == {"search", "query", "matching"}
    assert all(problem_of(ENVIRONMENTS[name]).world.context_name == "cue" for name in cued)
    for name, shape in (("search", (10,)), ("query", IMAGE)):
        world = build.built(said_of(name, canvas=48, size=6), digits().classes, IMAGE).world
        count = torch.Size(shape).numel()
        assert world.cue_shape == shape and world.context_shape(IMAGE) == (world.cues,) == (count,)
        assert problem_of(ENVIRONMENTS[name]).world.context_name == "cue"


@pytest.mark.parametrize("name", SCENES)
def test_what_a_row_says_of_its_scene_holds(name: str) -> None:
    kind, entry = SCENES[name], CATALOGUE[ENVIRONMENTS[name]]
    one = problem_of(ENVIRONMENTS[name], "test")
    made = one.make(one.split, torch.arange(200) % len(one.split), torch.Generator().manual_seed(0))
    assert kind.cued == (made.cue.numel() > 0)
    assert int(made.target.max()) < len(one.answers) == len(set(one.answers))
    assert type(one.world) is kind.world
    assert {*entry.settings} <= {*kind.options, *kind.asked, "sensor", "looks", "first"} | {
        *("context", "reach", "size", "scales", "cover")
    }
    # What it pays is said of it, where that is not one for a right answer at the end.
    usual = kind.task is Classify and kind.world is World and "each" not in entry.settings
    assert usual == (name not in REWARDS)
    assert ("Discrete" in document(ENVIRONMENTS[name])) == one.world.asks


def test_a_setting_that_a_task_does_not_take_is_none_of_its_environment() -> None:
    for name, setting in (("DigitsSequence", "each"), ("Catch", "each"), ("Catch", "bonus")):
        with pytest.raises((ValueError, TypeError), match=setting):
            problem_of(name, **{setting: 1})


def overlap(one: Tensor, other: Tensor) -> Tensor:
    """The IoU of (N, 4) boxes."""
    low, high = torch.maximum(one[:, :2], other[:, :2]), torch.minimum(one[:, 2:], other[:, 2:])
    shared = (high - low).clamp_min(0).prod(1)
    areas = [(box[:, 2:] - box[:, :2]).prod(1) for box in (one, other)]
    return shared / (areas[0] + areas[1] - shared)


@pytest.mark.parametrize(
    "canvas, image, zoom",
    [(48, (1, 8, 8), 2), ((30, 44), (1, 6, 9), 1), ((61, 40), (3, 5, 7), 3), (60, (1, 28, 28), 1)],
)
def test_a_place_is_worth_the_overlap_of_the_boxes_that_scenes_have(
    canvas: Any, image: tuple[int, int, int], zoom: int
) -> None:
    """However wide the canvas and the image are, and as recipe and environment have it."""
    split = Split(torch.zeros(4, *image, dtype=torch.uint8), torch.arange(4))
    settings: dict[str, Any] = {"canvas": canvas, "zoom": zoom, "distractors": 0, "looks": 1}
    one = problem("localise", Retina(4), "0123", image, **settings)
    made = one.make(split, torch.zeros(600, dtype=torch.int64), torch.Generator().manual_seed(0))
    assert isinstance(one.world.task, Localise) and set(made.target.tolist()) == set(range(25))
    box = torch.stack([made.box[made.target == place][0, 0] for place in range(25)])
    answer, truth = torch.cartesian_prod(torch.arange(25), torch.arange(25)).unbind(1)
    logits = torch.nn.functional.one_hot(answer, 25).float()[None]
    reward = one.world.task.reward(logits, truth, torch.ones(1, 625), 1)[0]
    assert torch.allclose(reward, overlap(box[answer], box[truth]), atol=1e-5)
    # Not in locations, whose units differ across and down.
    assert reward.view(25, 25)[0, 1] > 0


def test_what_does_not_go_together_is_refused_in_a_line() -> None:
    eye, names = Retina(4), digits().classes
    for scene, words, settings in (
        ("plain", "takes no 'canvas'; it takes: zoom", {"canvas": 9}),
        ("circle_square", "takes no 'zoom'; it takes: canvas", {"zoom": 2}),
        ("translated", "needs 'canvas'", {}),
        ("localise", "do not fit a canvas of 11x11", {"canvas": 11}),
        ("catch", "no task 'cluster' is asked", {"task": "cluster"}),
        ("pair", "choose one of pair, sum", {"canvas": 20, "answer": "product"}),
    ):
        with pytest.raises(ValueError, match=words):
            problem(scene, eye, names, IMAGE, looks=24, **settings)


def test_a_world_knows_how_many_answers_there_are_without_the_data() -> None:
    """As whoever loads a deployed agent has it."""
    for name in TOLD:
        settings = CATALOGUE[ENVIRONMENTS[name]].settings
        ours, _ = both(name, {})
        said, named = said_of(name, **settings), ours.world.named
        alone = build.world(said, len(ours.answers), IMAGE, named)
        assert parts(alone) == parts(ours.world)


def test_other_tasks_are_asked_of_any_scene_that_has_no_world_of_its_own() -> None:
    assert {"classify": None, "cluster": Cluster} == ASKED
    for name in set(SCENES) - {"catch"}:
        assert isinstance(
            world_of(name, Retina(4), 25, IMAGE, looks=2, task="cluster").task, Cluster
        )
    assert isinstance(world_of("catch", Retina(4), 2, IMAGE, looks=24), Catch)


# The sum of two classes.


@pytest.mark.parametrize(
    "names, wanted",
    [
        (tuple("0123456789"), [str(total) for total in range(19)]),
        (("1", "3", "5"), ["2", "4", "6", "8", "10"]),
        (("10", "2", "100"), ["4", "12", "20", "102", "110", "200"]),
        (("-1", "0.5", "01"), ["-2", "-0.5", "0", "1", "1.5", "2"]),
    ],
)
def test_a_sum_adds_the_numbers_that_classes_are_called_by(
    names: tuple[str, ...], wanted: list[str]
) -> None:
    count = len(names)
    images = torch.zeros(count, 1, 2, 2, dtype=torch.uint8)
    split = Split(images, torch.arange(count))
    one = problem("pair", Retina(2), names, (1, 2, 2), canvas=9, looks=2, answer="sum")
    assert list(one.answers) == wanted and one.world.task.classes == len(wanted)
    first, second = torch.cartesian_prod(torch.arange(count), torch.arange(count)).unbind(1)
    found = pairs.which(first, second, names, "sum")
    for a, b, answer in zip(first, second, found, strict=True):
        assert float(one.answers[answer]) == float(names[a]) + float(names[b])
    made = one.make(split, torch.arange(count).repeat(300), torch.Generator().manual_seed(0))
    assert made.target.unique().tolist() == list(range(len(wanted)))
    if wanted == [str(total) for total in range(19)]:
        bare = scenes.pair(split, first, torch.Generator().manual_seed(1), canvas=9, answer="sum")
        with_names = one.make(split, first, torch.Generator().manual_seed(1))
        assert torch.equal(bare.target, with_names.target)


@pytest.mark.parametrize("name", ["Coat", "0 - zero", "", "1e9", "nan", "inf", "1,5"])
def test_what_is_no_number_has_no_sum(name: str) -> None:
    for scene in (SCENES["pair"],):
        with pytest.raises(ValueError, match="only numbers have a sum"):
            scene.answers(("1", name), "sum")
    with pytest.raises(ValueError, match="ask for the pair"):
        problem("pair", Retina(2), ("1", name), IMAGE, canvas=20, looks=2, answer="sum")
    problem("pair", Retina(2), ("1", name), IMAGE, canvas=20, looks=2)


def test_every_committed_result_still_has_its_world() -> None:
    """Of recipes: what its settings say is built, with as many answers as it was measured with."""
    count = 0
    for path in sorted(RESULTS.rglob("*.json")):
        for result in results_in(json.loads(path.read_text(encoding="utf-8"))):
            if result["name"].startswith("sb3-"):
                continue  # of another program
            world, recipe = result["world"], recipe_of(result, path.name)
            count += 1
            source = world.get("source", world["image"])  # of old ones that say how large it was
            task = build.world(recipe.problem, len(world["classes"]), source).task
            assert task.choices == len(world["classes"]), path.name
    assert count > 100


def results_in(value: Any) -> Iterator[dict[str, Any]]:
    """What is a result, in whatever it is kept."""
    if isinstance(value, dict) and {"recipe", "world", "seed"} <= set(value):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from results_in(one)
