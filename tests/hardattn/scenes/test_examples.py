"""What is shown as an example, what lies in the scene, and that tests show other classes."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from hardattn.data import Split, load
from hardattn.data.splits import PARTS
from hardattn.data.unseen import deal
from hardattn.envs import GlimpseVectorEnv
from hardattn.problem import problem
from hardattn.scenes import SIDES, Scenes, few_shot, fixed_scenes, query
from hardattn.sensors import Retina
from hardattn.world import World
from tests.support.scenes import numbers, pixels_of

NONE = SIDES**2


def named(count: int = 40, classes: int = 5) -> Split:
    """Images of one grey, which names image and class: 5 i + class + 1, i-th of its class."""
    value = torch.arange(1, count + 1, dtype=torch.uint8)
    images = value.view(-1, 1, 1, 1).expand(-1, 1, 4, 3).contiguous()
    return Split(images, torch.arange(count) % classes)


def class_of(grey: int) -> int:
    return (grey - 1) % 5


@pytest.mark.parametrize("distractors", [0, 3])
def test_a_query_shows_what_it_says(distractors: int) -> None:
    split, index = named(), torch.arange(400) % 40
    options: dict[str, Any] = dict(canvas=(14, 11), clutter=0, classes=5, distractors=distractors)
    made = query(split, index, numbers(0), **options)
    missing = made.target == NONE
    assert torch.equal(made.index, index) and 60 < int(missing.sum()) < 140
    for b in range(400):
        image, grey = made.image[b, 0], int(made.index[b]) + 1
        example = int((made.cue[b, 0] * 255).round())
        assert (made.cue[b] == made.cue[b, 0]).all() and made.cue.shape == (400, 12)
        assert class_of(example) == class_of(grey) and example != grey
        shown = [one for one in image.unique().tolist() if one]
        assert int((image > 0).sum()) == 12 * (1 + distractors)  # none hides another
        alike = [one for one in shown if class_of(one) == class_of(grey)]
        assert alike == ([] if missing[b] else [grey])
        if missing[b]:
            assert (made.box[b] == 0).all()
            continue
        x0, y0, x1, y1 = pixels_of(made.box[b, 0], 14, 11)
        assert (image[y0:y1, x0:x1] == grey).all() and (x1 - x0, y1 - y0) == (3, 4)
        row, column = divmod(int(made.target[b]), SIDES)
        assert y0 == (0, 3, 7, 10)[row] and x0 == (0, 2, 5, 7)[column]


def test_places_classes_and_examples_are_uniform() -> None:
    options: dict[str, Any] = dict(canvas=10, clutter=0, classes=5, distractors=3, absent=0.0)
    made = query(named(), torch.full((6000,), 7), numbers(1), **options)
    assert stats.chisquare(made.target.bincount(minlength=16).numpy()).pvalue > 0.001
    example = (made.cue[:, 0] * 255).round().long().bincount(minlength=41)[torch.arange(3, 41, 5)]
    assert example[1] == 0 and int(example.sum()) == 6000
    assert stats.chisquare(np.delete(example.numpy(), 1)).pvalue > 0.001
    episodes = few_shot(named(), torch.full((6000,), 7), numbers(1), classes=5, ways=3)
    assert stats.chisquare(episodes.target.bincount(minlength=3).numpy()).pvalue > 0.001


@pytest.mark.parametrize("ways, shots, zoom, margin", [(3, 1, 1, 2), (2, 3, 2, 0), (5, 2, 1, 1)])
def test_an_episode_shows_what_it_says(ways: int, shots: int, zoom: int, margin: int) -> None:
    split, index = named(), torch.arange(60) % 40
    options: dict[str, Any] = dict(ways=ways, shots=shots, zoom=zoom, margin=margin, classes=5)
    made = few_shot(split, index, numbers(2), **options)
    h, w = 4 * zoom + margin, 3 * zoom + margin
    assert made.shape == (1, (1 + shots) * h, ways * w) and made.box.shape == (60, shots, 4)
    assert torch.equal(made.label, split.labels[index]) and not made.cue.numel()
    for b in range(60):
        image, grey = made.image[b, 0], int(index[b]) + 1
        left = (ways - 1) * w // 2
        above = image[:h]
        assert set(above.unique().tolist()) <= {0, grey}
        assert set(above[:, left : left + w].unique().tolist()) >= {grey}
        columns = []
        for column in range(ways):
            support = image[h:, column * w : (column + 1) * w]
            greys = [one for one in support.unique().tolist() if one]
            assert len(greys) == shots and grey not in greys
            assert len({class_of(one) for one in greys}) == 1
            columns.append(class_of(greys[0]))
        assert len(set(columns)) == ways
        assert columns[int(made.target[b])] == class_of(grey) == int(made.label[b])
        for box in made.box[b]:
            x0, y0, x1, y1 = pixels_of(box, *made.shape[1:])
            inside = image[y0:y1, x0:x1].unique().tolist()
            assert len(inside) == 1 and class_of(inside[0]) == class_of(grey)


MAKERS: dict[str, Any] = {
    "query": partial(query, canvas=24, clutter=6, clutter_size=4),
    "few_shot": few_shot,
}


@pytest.mark.parametrize("name", MAKERS)
def test_the_test_shows_classes_that_training_never_does(name: str) -> None:
    """Targets, examples, distractors and clutter: every pixel is of an image of the part's own."""
    digits, classes = load("digits"), deal(10, 3, 0)
    for part in PARTS:
        split = getattr(digits, part)
        grey = torch.zeros_like(split.images) + (20 * (1 + split.labels)).byte().view(-1, 1, 1, 1)
        shown = Split(grey, split.labels, part=part)
        made = MAKERS[name](shown, torch.arange(len(split)), numbers(0))
        assert set(split.labels[made.index].tolist()) == set(classes[part])
        if name == "query":
            own = made.cue[:, 0] * 255 / 20 - 1
            assert torch.equal(own.round().long(), split.labels[made.index])
        else:
            assert torch.equal(made.label, split.labels[made.index])
            greys = set((made.image.unique().long() // 20 - 1).tolist()) - {-1}
            assert greys == set(classes[part])


@pytest.mark.parametrize("name", MAKERS)
def test_clutter_and_distractors_are_of_the_part_alone(name: str) -> None:
    """Images of other parts' classes are white, and nothing white is ever shown."""
    split, classes = load("digits").test, deal(10, 3, 0)["test"]
    mine = torch.isin(split.labels, torch.tensor(classes))
    images = torch.where(mine.view(-1, 1, 1, 1), 1, 255).byte().expand_as(split.images).clone()
    made = MAKERS[name](Split(images, split.labels, part="test"), torch.arange(300), numbers(0))
    assert made.image.max() < 20


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_turned_is_of_another_class_and_of_the_same_part(name: str) -> None:
    """Images say class and way up: dark above, or dark to the left where they are turned."""
    digits, classes = load("digits"), deal(10, 3, 0)
    for part in ("train", "test"):
        split = getattr(digits, part)
        grey = torch.zeros_like(split.images) + (20 * (1 + split.labels)).byte().view(-1, 1, 1, 1)
        grey[:, :, 0] += 10
        shown, index = Split(grey, split.labels, part=part), torch.arange(len(split))
        options = dict(clutter=0) if name == "query" else {}
        made = partial(MAKERS[name], turns=True, held_out=3, **options)(shown, index, numbers(0))
        assert torch.equal(made.index[:5] >= 0, torch.ones(5, dtype=torch.bool))
        assert set(split.labels[made.index].tolist()) == set(classes[part])
        greys = {value // 20 - 1 for value in made.image.unique().tolist() if value}
        assert greys == set(classes[part])
        if name == "query":
            cue = (made.cue * 255).round().long().unflatten(1, (8, 8))
            turned = cue[:, 1, 0] > cue[:, 1, 1]
            assert (turned != (cue[:, 0, 1] > cue[:, 1, 1])).all()
        else:
            assert torch.equal(made.label % 10, split.labels[made.index])
            turned = made.label >= 10
        assert 0.3 < turned.double().mean() < 0.7
    with pytest.raises(ValueError, match="only square images can be turned"):
        MAKERS[name](named(), torch.arange(3), numbers(0), turns=True)


@pytest.mark.parametrize("scene, asked", [("query", {"canvas": 48}), ("few_shot", {"margin": 8})])
def test_scenes_are_the_same_frozen_in_a_rollout_and_behind_an_environment(
    scene: str, asked: dict[str, Any]
) -> None:
    """What evaluation freezes, and what the observation of each is, to the bit."""
    digits = load("digits")
    settings: dict[str, Any] = {"zoom": 2, "looks": 2, "first": "centre", **asked}
    told = "cue" if scene == "query" else "none"
    one = problem(scene, Retina(6, 3), digits.classes, (1, 8, 8), context=told, **settings)
    name = {"query": "DigitsQuery", "few_shot": "DigitsFewShot"}[scene]
    env = GlimpseVectorEnv(name, 30, split="test", tensors=True, reveal=True, **settings)
    seen, info = env.reset(seed=4)
    theirs: Scenes = env.scenes
    world: World = one.world
    place = world.place(world.first(theirs))
    assert torch.equal(world.observe(world.open(theirs), place, 0).glimpse, seen["glimpse"])
    if scene == "query":
        assert torch.equal(world.context(theirs), seen["context"])
    assert torch.equal(theirs.target, torch.as_tensor(info["label"]))
    frozen, again = (fixed_scenes(one.make, digits.test, 1).slice(0, 50) for _ in range(2))
    for field, same in zip(frozen, again, strict=True):
        assert torch.equal(field, same)


@pytest.mark.parametrize("name, chance", [("DigitsQuery", 0.0), ("DigitsFewShot", 1 / 3)])
def test_who_guesses_is_at_the_floor_and_who_knows_at_the_ceiling(name: str, chance: float) -> None:
    env = GlimpseVectorEnv(name, 1000, split="test", looks=1, reveal=True)
    generator, answers = np.random.default_rng(0), len(env.problem.answers)
    for knows in (True, False):
        _, info = env.reset(seed=1)
        answer = info["label"] if knows else generator.integers(answers, size=1000)
        _, reward, *_ = env.step({"location": np.zeros((1000, 2), np.float32), "answer": answer})
        if knows:
            assert (reward == 1).all()
        elif chance:
            assert abs(reward.mean() - chance) < 4 * (chance * (1 - chance) / 1000) ** 0.5
        else:  # of 17 answers one; and three places that overlap with it by 1/3, 1/3 and 1/7
            wanted = (0.25 + 0.75 * (1 + 1 / 3 + 1 / 3 + 1 / 7)) / 17
            assert abs(reward.mean() - wanted) < 0.03


def test_what_cannot_be_made_is_refused_in_a_line() -> None:
    split, index = named(), torch.arange(4)
    for words, options in (
        ("room for 3 distractors", dict(canvas=20, distractors=4)),
        ("absent is a share", dict(canvas=20, absent=2.0)),
        ("4 x 4 places of 4x3 pixels do not fit", dict(canvas=8, clutter=0)),
    ):
        with pytest.raises(ValueError, match=words):
            query(split, index, numbers(0), **options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="two ways and one shot"):
        few_shot(split, index, numbers(0), ways=1)
    with pytest.raises(ValueError, match="5 classes with held_out=3, and 6 are needed"):
        few_shot(split, index, numbers(0), ways=6)
