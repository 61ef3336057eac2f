"""Photographs as they are look as they do stacked, and each within its own size."""

import pytest
import torch
from torch import Tensor

from hardattn.agents import RAM
from hardattn.data import Split
from hardattn.data.album import Album
from hardattn.evaluation.evaluate import evaluate
from hardattn.rollout import sample
from hardattn.scenes import Scenes, concatenate, fixed_scenes, plain, translated
from hardattn.scenes.photographs import Photographs
from hardattn.scenes.sprites import Sprites
from hardattn.sensors import SENSORS, Retina, Several
from hardattn.tasks import Classify
from hardattn.world import World, survey

EYES = [Retina(8), Retina(7), Retina(6, 4), Retina(5, 3)]
SIZES = [(40, 60), (61, 33), (48, 48), (17, 90), (5, 4)]  # height, width


def album(sizes: list[tuple[int, int]], channels: int = 3) -> tuple[Album, list[Tensor]]:
    """An album of random pictures, and these one by one."""
    draw = torch.Generator().manual_seed(0)
    each = [
        torch.randint(256, (channels, *size), generator=draw, dtype=torch.uint8) for size in sizes
    ]
    areas = torch.tensor([one[0].numel() for one in each])
    ends = (channels * areas).cumsum(0)
    extent = torch.tensor([size[::-1] for size in sizes])
    largest = max(size[0] for size in sizes), max(size[1] for size in sizes)
    pixels = torch.cat([one.flatten() for one in each])
    return Album(pixels, ends - channels * areas, extent, areas, channels, largest), each


def places(count: int, looks: int = 5) -> Tensor:
    """Some of them at the border, and on it."""
    drawn = torch.rand(looks, count, 2, generator=torch.Generator().manual_seed(1)) * 2.2 - 1.1
    return drawn.clamp(-1, 1)


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("side", [40, 150])  # below and above what a retina takes for large
def test_of_one_size_they_are_to_the_bit_as_a_stack(eye: Retina, side: int) -> None:
    whole, each = album([(side, side + 9)] * 4)
    index = torch.tensor([2, 0, 3, 3, 1])
    stack = Split(torch.stack(each), torch.arange(4))
    wanted, found = plain(stack, index), plain(Split(whole, torch.arange(4)), index)
    assert isinstance(found.picture, Photographs)
    assert found.shape == wanted.shape and torch.equal(found.image, wanted.image)
    for place in places(5):
        a, b = (eye.look(eye.open(scenes.picture), place) for scenes in (wanted, found))
        assert torch.equal(a, b)


@pytest.mark.parametrize("eye", EYES)
def test_a_place_is_within_each_pictures_own_size(eye: Retina) -> None:
    whole, each = album(SIZES)
    scenes = plain(Split(whole, torch.arange(5)), torch.arange(5))
    assert scenes.shape == (3, 61, 90) and whole.smallest == (3, 5, 4)
    for place in places(5):
        seen = eye.look(eye.open(scenes.picture), place)
        for row, one in enumerate(each):
            alone = eye.look(eye.open(one[None]), place[row : row + 1])
            assert torch.equal(seen[row], alone[0])


def test_padded_to_the_largest_they_show_the_same_where_places_are_moved_along() -> None:
    """The way without an album: all on one blank canvas, at the top left."""
    whole, each = album(SIZES)
    padded = torch.zeros(5, 3, 61, 90, dtype=torch.uint8)
    for into, one in zip(padded, each, strict=True):
        into[:, : one.shape[1], : one.shape[2]] = one
    scenes = plain(Split(whole, torch.arange(5)), torch.arange(5))
    share = whole.extent / torch.tensor([90.0, 61.0])
    eye = Retina(6, 2)
    # At the centres of pixels, where no rounding decides.
    pixel = ((places(5) + 1) / 2 * whole.extent).floor().clamp_min(0) + 0.25
    for place in pixel / whole.extent * 2 - 1:
        a = eye.look(eye.open(scenes.picture), place)
        b = eye.look(eye.open(padded), (place + 1) * share - 1)
        assert torch.equal(a, b)


def test_who_sees_everything_sees_each_stretched_to_one_size() -> None:
    whole, each = album([(4, 6), (2, 3), (8, 6)])
    image = plain(Split(whole, torch.arange(3)), torch.arange(3)).image
    assert image.shape == (3, 3, 8, 6) and torch.equal(image[2], each[2])
    assert torch.equal(image[0], each[0].repeat_interleave(2, 1))
    assert torch.equal(image[1], each[1].repeat_interleave(4, 1).repeat_interleave(2, 2))


@pytest.mark.parametrize("size", [(130, 140), (250, 131), (300, 1)])
def test_a_survey_of_them_is_that_of_the_pixels(size: tuple[int, int]) -> None:
    whole, each = album([size, (300, 140)])
    found = survey(plain(Split(whole, torch.arange(2)), torch.arange(2)))
    assert found.shape == (2, 3, 125, 125)
    for row, one in enumerate(each):
        if one.shape[2] < 125:
            one = one.expand(-1, -1, 125)
        wanted = Sprites.of(one[None]).averaged(125, 125)[0] / 255
        assert torch.equal(found[row], wanted)


def test_scenes_of_them_are_dealt_with_as_any_others() -> None:
    whole, _ = album(SIZES)
    split = Split(whole, torch.arange(5) % 3)
    scenes = fixed_scenes(plain, split, 1, 2)
    assert len(scenes) == 10 and scenes.picture.album is split.images
    image = scenes.image
    assert torch.equal(concatenate([scenes.slice(0, 3), scenes.slice(3, 10)]).image, image)
    assert torch.equal(scenes.rows(torch.tensor([7, 2])).image, image[[7, 2]])
    assert torch.equal(scenes.repeat(2).image, image.repeat_interleave(2, 0))
    assert scenes.slice(0, 0).image.shape == (0, 3, 61, 90)


def test_an_agent_learns_and_is_measured_batch_by_batch() -> None:
    whole, _ = album(SIZES)
    scenes = fixed_scenes(plain, Split(whole, torch.arange(5) % 3), 1)
    world = World(Retina(6, 2), Classify(3), looks=4)
    agent = RAM(world.sensor.shape(scenes.shape), 3, hidden=8, what=8, where=8)
    at_once, one_by_one = (
        evaluate(agent, world, scenes, sample, batch=batch) for batch in (5, None)
    )
    assert world.at_once(scenes) >= 5
    assert torch.equal(at_once.log_probability, one_by_one.log_probability)


def test_each_sensor_takes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = album(SIZES)
    scenes = plain(Split(whole, torch.arange(5)), torch.arange(5))
    asked = {
        "retina": (8,), "gaussian_window": (6,), "affine": (6,), "crop": (6, 0.3),
        "filterbank": (6,), "zoom": (6,), "whole": (),
    }  # fmt: skip
    assert {*asked} < {*SENSORS}
    for name, given in asked.items():
        world = World(SENSORS[name](*given), Classify(3), looks=2)
        seen = world.observe(world.open(scenes), world.first(scenes), 0).glimpse
        assert seen.shape == (5, *world.sensor.shape(scenes.shape)), name
    several = Several(3, 3, 2, side=4)
    place = several.over(torch.rand(5, 9))
    assert several.look(several.open(scenes.picture), place).shape == (5, 2, 3, 4, 4)


def test_another_scene_than_the_picture_itself_is_refused() -> None:
    whole, _ = album(SIZES)
    split, index = Split(whole, torch.arange(5)), torch.arange(5)
    for make in (
        lambda: translated(split, index, canvas=200),
        lambda: plain(split, index, zoom=2),
    ):
        with pytest.raises(ValueError, match="instead of @original"):
            make()


@pytest.mark.gpu
def test_pixels_that_stay_behind_are_read_from_where_they_are() -> None:
    whole, _ = album(SIZES)
    here = plain(Split(whole, torch.arange(5)), torch.arange(5))
    there = plain(Split(whole, torch.arange(5).cuda()), torch.arange(5).cuda())
    assert isinstance(there, Scenes) and there.device.type == "cuda"
    for eye in EYES:
        for place in places(5):
            seen = eye.look(eye.open(there.picture), place.cuda())
            assert torch.equal(seen.cpu(), eye.look(eye.open(here.picture), place))
    moved = Split(whole.to("cuda"), torch.arange(5).cuda())
    assert torch.equal(plain(moved, torch.arange(5).cuda()).image.cpu(), here.image)
