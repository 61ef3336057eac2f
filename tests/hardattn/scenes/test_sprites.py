"""Scenes that nobody painted show whoever looks what the painted ones show, to the bit."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from hardattn.agents import RAM
from hardattn.data import Split
from hardattn.estimators.score_function import reinforce
from hardattn.evaluation.evaluate import evaluate
from hardattn.problem import SCENES
from hardattn.rng import CounterRNG
from hardattn.scenes import Scenes, canvas, concatenate, fixed_scenes, sprites
from hardattn.scenes.sprites import Kind, Sprites, Stage
from hardattn.sensors import SENSORS, Retina, retina
from hardattn.tasks import Classify
from hardattn.world import World
from tests.hardattn.scenes.test_canvas import OPTIONS, numbers, split
from tests.support.sensors import example

PLACED = [name for name in SCENES if name not in ("circle_square", "catch", "pasted")]
RETINAS = [(1, 1), (8, 1), (5, 1), (4, 3), (3, 3), (5, 4), (2, 5)]


@pytest.fixture
def unpainted(monkeypatch: pytest.MonkeyPatch) -> None:
    """However small scenes are, nobody paints them beforehand, and windows are cut from them."""
    for module in (canvas, retina):
        monkeypatch.setattr(module, "LARGE", 0)


def made(name: str, channels: int = 1, **options: Any) -> Scenes:
    return SCENES[name].make(split(channels), torch.arange(30) % 12, numbers(5), **options)


def places(count: int, seed: int = 0) -> Tensor:
    """Some anywhere, some on borders and corners, one at the middle."""
    drawn = torch.rand(count, 2, generator=numbers(seed)) * 2 - 1
    drawn[:9] = torch.cartesian_prod(*[torch.tensor([-1.0, 0.0, 1.0])] * 2)
    return drawn


def test_the_kinds_of_scenes_that_are_made_of_sprites(unpainted):
    kinds = {
        name: isinstance(made(name, **options).picture, Sprites)
        for name in SCENES
        for options in OPTIONS[name]
    }
    assert kinds == {name: name in PLACED for name in SCENES}


@pytest.mark.parametrize("painting", [-(10**9), 10**9])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", PLACED)
def test_windows_on_sprites_are_those_on_the_painted_scenes(
    monkeypatch, unpainted, name, channels, painting
):
    monkeypatch.setattr(sprites, "PAINTING", painting)  # always by summing, or by reading
    for options in OPTIONS[name]:
        picture = made(name, channels, **options).picture
        image = picture.painted()
        count, _, height, width = image.shape
        assert picture.shape == image.shape
        padded = torch.nn.functional.pad(image, (40,) * 4)
        for side in (1, 7, 40):
            x = torch.randint(-side, width + 1, (count, 1), generator=numbers(side))
            y = torch.randint(-side, height + 1, (count, 1), generator=numbers(side + 1))
            seen = picture.patches(torch.cat([x, y], 1).int(), side)
            for row in range(count):
                top, left = 40 + int(y[row]), 40 + int(x[row])
                wanted = padded[row, :, top : top + side, left : left + side]
                assert torch.equal(seen[row].int(), wanted.int())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size, scales", RETINAS)
@pytest.mark.parametrize("name", PLACED)
def test_a_retina_sees_the_same_of_sprites_of_pixels_and_of_a_pyramid(
    monkeypatch, unpainted, name, size, scales, channels
):
    scenes, eye = made(name, channels, **OPTIONS[name][-1]), Retina(size, scales)
    views = [eye.open(scenes.picture), eye.open(scenes.image)]
    monkeypatch.setattr(retina, "LARGE", 10**9)
    views.append(eye.open(scenes.image))
    assert [type(view) for view in views] == [Sprites, Sprites, retina.Pyramid]
    for seed in range(3):
        seen = [eye.look(view, places(30, seed)) for view in views]
        assert seen[0].dtype == torch.get_default_dtype()
        assert torch.equal(seen[0], seen[2])
        assert torch.equal(seen[1], seen[2])


@pytest.mark.parametrize("size, scales", RETINAS)
def test_large_pictures_look_the_same_through_windows(monkeypatch, size, scales):
    image = torch.randint(256, (30, 1, 150, 140), generator=numbers(1)).byte()
    eye = Retina(size, scales)
    view = eye.open(image)
    assert isinstance(view, Sprites)
    assert view.stage.images is image
    monkeypatch.setattr(retina, "LARGE", 10**9)
    assert torch.equal(eye.look(view, places(30)), eye.look(eye.open(image), places(30)))


@pytest.mark.parametrize("scales", [1, 3])
def test_a_window_off_the_scene_sees_nothing(unpainted, scales):
    lost = torch.tensor([[1e30, 1e30], [-torch.inf, 0.0], [0.0, torch.nan], [-9.0, 9.0]])
    scenes = made("cluttered", canvas=9, distractors=9, distractor_size=6).slice(0, 4)
    eye = Retina(4, scales)
    assert not eye.look(eye.open(scenes.picture), lost).any()


@pytest.mark.parametrize("name", SENSORS)
def test_every_sensor_sees_the_same_scenes(monkeypatch, name):
    sensor = example(name)

    def looked() -> Tensor:
        scenes = made("cluttered", canvas=(18, 24), distractors=5, distractor_size=4)
        world = World(sensor, Classify(10), looks=1)
        place = world.place(sensor.at(places(30)))
        return world.observe(world.open(scenes), place, 0).glimpse

    painted = looked()
    for module in (canvas, retina):
        monkeypatch.setattr(module, "LARGE", 0)
    assert torch.equal(looked(), painted)


@pytest.mark.parametrize("name", PLACED)
def test_scenes_of_sprites_are_handled_like_others(unpainted, name):
    scenes = made(name, **OPTIONS[name][-1])
    image, which = scenes.image, torch.tensor([3, 0, 3, 7])
    assert len(scenes) == len(image)
    assert scenes.shape == image.shape[1:]
    assert torch.equal(scenes.rows(which).image, image[which])
    assert torch.equal(scenes.slice(4, 9).image, image[4:9])
    assert torch.equal(scenes.repeat(3).image, image.repeat_interleave(3, 0))
    assert torch.equal(concatenate([scenes.slice(0, 7), scenes.slice(7, 30)]).image, image)
    assert torch.equal(scenes.each(Tensor.clone).image, image)
    assert scenes.to("cpu").picture is scenes.picture
    elsewhere = scenes.slice(2, 5).to("meta").picture
    assert elsewhere.shape == (3, *scenes.shape)
    # Of the images only those go along that are seen.
    assert len(elsewhere.stage.images) == len(scenes.slice(2, 5).picture.source.unique())


@pytest.mark.parametrize("name", PLACED)
def test_frozen_scenes_of_sprites_are_the_painted_ones(monkeypatch, name):
    def make(*given: Any) -> Scenes:
        return SCENES[name].make(*given, **OPTIONS[name][-1])

    painted = fixed_scenes(make, split(), seed=3, draws=2)
    monkeypatch.setattr(canvas, "LARGE", 0)
    kept = fixed_scenes(make, split(), seed=3, draws=2)
    assert isinstance(kept.picture, Sprites)
    assert kept.picture.stage.images.data_ptr() == split_of(kept).data_ptr()
    assert torch.equal(kept.image, painted.image)
    assert all(
        torch.equal(a.nan_to_num(9.0), b.nan_to_num(9.0))
        for a, b in zip(kept[1:], painted[1:], strict=True)
    )


def split_of(scenes: Scenes) -> Tensor:
    assert isinstance(scenes.picture, Sprites)
    return scenes.picture.stage.images


def test_scenes_with_a_generator_each_are_the_same(unpainted, monkeypatch):
    def drawn() -> Scenes:
        stream: Any = CounterRNG(torch.arange(9))
        return SCENES["cluttered"].make(
            split(), torch.arange(9), stream, canvas=20, distractor_size=3
        )

    kept = drawn()
    monkeypatch.setattr(canvas, "LARGE", 10**9)
    assert torch.equal(kept.image, drawn().image)


def test_what_is_painted_in_parts_is_the_same(monkeypatch, unpainted):
    picture = made("cluttered", canvas=15, distractors=9, distractor_size=6).picture
    whole = picture.painted()
    corner, sides = torch.full((30, 2), 2, dtype=torch.int32), (3, 12)
    seen = [picture.patches(corner, side) for side in sides]
    monkeypatch.setattr(sprites, "TOGETHER", 3 * 9 * 36)
    assert torch.equal(picture.painted(), whole)
    for side, before in zip(sides, seen, strict=True):
        assert torch.equal(picture.patches(corner, side), before)


def test_many_pieces_on_one_pixel_are_white_there(unpainted):
    """Their sum would not fit int16."""
    images = torch.full((2, 1, 1, 1), 255, dtype=torch.uint8)
    nought = torch.zeros(1, 200, 2, dtype=torch.int32)
    stage = Stage(images, [Kind(200, 1, 1)], 4, 4)
    heap = Sprites(torch.zeros(1, 200, dtype=torch.int32), nought, nought, stage)
    corner = torch.tensor([[-1, -1]], dtype=torch.int32)
    for seen in (heap._read(corner, 3), heap._summed(corner, 3)):
        assert seen[0, 0].tolist() == [[0, 0, 0], [0, 255, 0], [0, 0, 0]]
    assert heap.painted().sum() == 255


def test_what_is_kept_of_a_scene_does_not_grow_with_it():
    data = Split(torch.zeros(3, 1, 28, 28, dtype=torch.uint8), torch.arange(3))
    kept = [
        sum(
            each.nbytes
            for each in SCENES["cluttered"]
            .make(data, torch.arange(3), numbers(0), canvas=side)
            .tensors()
        )
        for side in (200, 2000, 20_000)
    ]
    assert kept[0] == kept[1] == kept[2] < 1000


def test_nobody_paints_scenes_of_which_only_windows_are_seen(monkeypatch):
    """Fixed scenes, training and evaluation of an agent that looks through a retina."""

    def painted(*given: Any) -> Tensor:
        raise AssertionError("somebody painted them")

    monkeypatch.setattr(Sprites, "painted", painted)
    make = partial(SCENES["cluttered"].make, canvas=5000, distractor_size=4)
    world = World(Retina(8, 2), Classify(10), looks=3)
    agent = RAM(world.sensor.shape((1, 5000, 5000)), 10, hidden=8, what=8, where=8)
    scenes = fixed_scenes(make, split(), seed=1)
    assert world.at_once(scenes) == 1000
    assert len(evaluate(agent, world, scenes).index) == 12
    loss = reinforce(agent, world, make(split(), torch.arange(5), numbers(0)), numbers(1))
    loss.total.backward()
    assert bool(loss.total.isfinite())
    for context in ("coarse", "whole"):
        told = World(Retina(8, 2), Classify(10), looks=3, context=context)
        assert told.at_once(scenes) == 2
        with pytest.raises(AssertionError, match="somebody painted them"):
            told.context(scenes)


def test_int64_indices_read_the_same(monkeypatch, unpainted):
    picture = made("pair", canvas=(12, 13), distractors=5, distractor_size=4).picture
    corner = torch.zeros(30, 2, dtype=torch.int32)
    narrow = picture._read(corner, 9)
    monkeypatch.setattr(sprites, "INDEX_LIMIT", 0)
    assert torch.equal(picture._read(corner, 9), narrow)
