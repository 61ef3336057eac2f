"""Clips: where digits are in each frame, how they move, and that the question has one answer."""

from typing import Any

import pytest
import torch
from torch import Tensor

from hardattn.data import Split
from hardattn.problem import problem
from hardattn.scenes import Scenes, clips
from hardattn.sensors import Frames
from tests.support.scenes import make_split, numbers, pixels_of

COUNT, FRAMES = 200, 6


def made(asked: str, **options: Any) -> tuple[Split, Scenes]:
    split = make_split(count=COUNT, height=6, width=5)
    split.images.clamp_(min=1)  # so that where nothing lies is known
    given: dict[str, Any] = dict(canvas=(16, 14), frames=FRAMES) | options
    return split, clips(split, torch.arange(COUNT), numbers(1), asked=asked, **given)  # type: ignore[arg-type]


def corners(scenes: Scenes) -> Tensor:
    """(B, F, 2) left and top of the target within its frame, from its first frame on; -1: gone."""
    box = (scenes.box + 1) / 2 * torch.tensor([FRAMES * 14, 16] * 2)
    left = box[..., 0] % 14
    return torch.stack([left, box[..., 1]], -1).round().nan_to_num(nan=-1).long()


@pytest.mark.parametrize("asked", ["class", "direction", "order", "bounce"])
def test_the_target_lies_where_the_boxes_say(asked: str) -> None:
    split, scenes = made(asked)
    assert scenes.image.shape == (COUNT, 1, 16, FRAMES * 14)
    for row in range(30):
        for box in scenes.box[row]:
            if not box.isnan().any():
                left, top, right, bottom = pixels_of(box, 16, FRAMES * 14)
                assert left // 14 == (right - 1) // 14, "in one frame"
                seen = scenes.image[row, :, top:bottom, left:right]
                assert torch.equal(seen, split.images[row])
    assert not scenes.box[:, 0].isnan().any(), "the first box is of a frame that it is in"


def test_what_is_shown_for_some_frames_begins_in_any_that_leaves_room() -> None:
    _, scenes = made("class", shown=2)
    there = (scenes.image.unflatten(3, (FRAMES, 14)) > 0).any(4).any(2)[:, 0]
    assert (there.sum(1) == 2).all() and (there[:, :-1] & there[:, 1:]).any(1).all()
    assert set(there.int().argmax(1).tolist()) == {0, 1, 2, 3, 4}
    assert torch.equal(scenes.box[..., 0].isnan().sum(1), torch.full((COUNT,), 4))


def test_a_direction_is_that_of_every_step() -> None:
    _, scenes = made("direction", speed=1, frames=FRAMES)
    steps = corners(scenes).diff(dim=1)
    ways = torch.tensor([[1, 0], [0, 1], [-1, 0], [0, -1]])
    assert torch.equal(steps, ways[scenes.target][:, None].expand_as(steps))
    assert set(scenes.target.tolist()) == {0, 1, 2, 3}


def test_of_two_the_first_came_first_and_is_of_another_class() -> None:
    split, scenes = made("order")
    frames = (scenes.image.unflatten(3, (FRAMES, 14)) > 0).sum((1, 2, 4))  # (B, F) lit pixels
    first = frames.int().argmax(1) * 0 + (frames > 0).int().argmax(1)
    box = (scenes.box[:, 0, 0] + 1) / 2 * FRAMES
    assert torch.equal((box + 1e-4).floor().long(), first)
    alone = frames.gather(1, first[:, None])[:, 0]
    assert (alone == 30).all(), "the other one is not there yet"
    assert frames.sum(1).eq(2 * 3 * 30).all(), "each for three frames, and none on the other"
    assert torch.equal(scenes.target, split.labels)


def test_one_bounces_and_the_other_does_not() -> None:
    split, scenes = made("bounce")
    steps = corners(scenes).diff(dim=1).sum(-1)  # along an axis, one pixel or none where it turns
    turned = (steps.sign().amin(1) < 0) & (steps.sign().amax(1) > 0)
    assert turned.all() and torch.equal(scenes.target, split.labels)
    assert (corners(scenes) >= 0).all()
    # What else is lit moves straight: its middle has steps of one sign.
    left = scenes.image.clone().int().unflatten(3, (FRAMES, 14))[:, 0]
    for row in range(40):
        found = []
        for frame, (x, y) in enumerate(corners(scenes)[row].tolist()):
            rest = left[row, :, frame].clone()
            rest[y : y + 6, x : x + 5] = 0
            lit = rest.nonzero()
            assert len(lit) == 30, "in a half of its own"
            found.append(lit.float().mean(0))
        moved = torch.stack(found).diff(dim=0).sum(1)
        assert (moved == moved[0]).all() and moved[0].abs() == 1


@pytest.mark.parametrize("speed", [1, 2])
def test_one_that_bounces_is_seen_to_go_and_to_come_back(speed: int) -> None:
    _, scenes = made("bounce", canvas=(22, 14 + 8 * (speed - 1)), speed=speed)
    box = (scenes.box + 1) / 2 * torch.tensor([FRAMES * (14 + 8 * (speed - 1)), 22] * 2)
    place = torch.stack([box[..., 0] % (14 + 8 * (speed - 1)), box[..., 1]], -1).round()
    steps = place.diff(dim=1).sum(-1)  # along the axis; less than a step where the wall is met
    first, last = steps[:, 0], steps[:, -1]
    assert (first.abs() == speed).all() and torch.equal(last, -first)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (dict(canvas=(16, 5)), "a way of 5 pixels does not fit a canvas of 16x5"),
        (dict(asked="order", canvas=(11, 14)), "does not fit the halves of a canvas of 11x14"),
        (dict(shown=7), "in 1 to 6 of 6 frames, not in 7"),
        (dict(asked="direction", shown=1), "in 2 to 6 of 6 frames, not in 1"),
        (dict(asked="bounce", shown=2), "a way of 1 pixels has no room to bounce"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        made(**{"asked": "class"} | options)


def test_a_problem_tells_its_world_and_sensor_of_frames() -> None:
    given = dict(canvas=14, frames=4, asked="direction", looks=2)
    built = problem("clips", Frames(4), "abc", (1, 6, 5), **given)
    assert built.world.frames == 4 and built.world.sensor.frames == 4  # type: ignore[attr-defined]
    assert built.answers == ("right", "down", "left", "up") and built.world.task.classes == 4
    scenes = built.make(make_split(height=6, width=5), torch.arange(3), numbers(0))
    place = torch.tensor([[0.0, 0.0, 0.99]]).expand(3, -1)
    shown = built.world.observe(built.world.open(scenes), place, 0).glimpse
    wanted = scenes.image[:, :, 5:9, 3 * 14 + 5 : 3 * 14 + 9] / 255
    assert torch.allclose(shown, wanted)
