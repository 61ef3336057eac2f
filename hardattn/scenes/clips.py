"""Clips: digits that move over a few frames between walls, and what there is to ask of them.

A clip is held as a strip: its frames stand side by side, the first one to the left. So whatever
looks at images looks at clips, a place on the strip is a frame and a place in it, and a report can
draw it. `World.frames` says how many there are.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from hardattn.data import Split
from hardattn.rng import Generator
from hardattn.scenes.canvas import Canvas, Size
from hardattn.scenes.scene import Scenes

Asked = Literal["class", "direction", "order", "bounce"]
DIRECTIONS = ("right", "down", "left", "up")


def of_clip(classes: Sequence[str], asked: str = "class") -> tuple[str, ...]:
    """What can be answered about a clip: the classes, or of "direction" the directions."""
    return DIRECTIONS if asked == "direction" else tuple(classes)


def clips(
    split: Split,
    index: Tensor,
    generator: Generator | None = None,
    *,
    canvas: Size,
    frames: int,
    zoom: int = 1,
    speed: int = 1,
    shown: int | None = None,
    asked: Asked = "class",
) -> Scenes:
    """One or two images that move straight along an axis; where it is asked, one meets a wall.

    asked: the "class" of the only image; its "direction" (right, down, left or up); in which
    "order" two came, that is the class of the one that came first; or which of two did "bounce"
    off a wall of the canvas, that is its class, where the other goes straight. Two are of different
    classes, each in its own half of the canvas across the axis that both move along. Frames stand
    side by side, (B, C, H, frames * W); boxes are of the image that is asked about, one for each
    frame, from the first one that it is in; NaN where it is in none any more.

    Moving MNIST (Srivastava et al. 2015, arXiv:1502.04681) in small, with questions: there is
    nothing to predict, images move along an axis, and do not lie on each other.

    Args:
        canvas: Height and width of a frame in pixels, or one number for a square.
        frames: How many there are.
        zoom: Pixels a side that each pixel of the image becomes.
        speed: Pixels from one frame to the next.
        shown: Frames in a row that an image is in; by default all, and of an order half of them.
        asked: What is asked: class, direction, order or bounce.
    """
    height, width = (canvas, canvas) if isinstance(canvas, int) else canvas
    scene = Canvas(split, index, generator, (height, frames * width))
    many = 2 if asked in ("order", "bounce") else 1
    room = _room(scene.fits(zoom), (height, width), many)
    shown = _shown(shown, frames, asked)
    device = index.device
    members = index[:, None]
    if many == 2:
        members = torch.cat([members, scene.of_other_classes(index, 1)], 1)
    number = torch.arange(frames, device=device)

    # (B, many, F): whether an image is there, and how many frames it has been there for.
    start = _starts(scene, frames - shown, many, asked)
    age = number - start[..., None]
    there = (age >= 0) & (age < shown)

    direction, left, top = _moving(scene, room, (height, width), age, speed, shown, asked)
    left = left + number * width
    flat = there.flatten(1)
    box = scene.paste(
        members.repeat_interleave(frames, 1),
        torch.where(flat, top.flatten(1), 0),
        torch.where(flat, left.flatten(1), 0),
        zoom,
        flat,
    )
    target = direction[:, 0] if asked == "direction" else split.labels[index]
    return Scenes(scene.picture(), target, _boxes(box[:, :frames], there[:, 0], start[:, 0]), index)


def _moving(
    scene: Canvas,
    room: tuple[int, int, int, int],
    canvas: tuple[int, int],
    age: Tensor,
    speed: int,
    shown: int,
    asked: str,
) -> tuple[Tensor, Tensor, Tensor]:
    """(B, many, F) frames since each came -> (B, many) directions, (B, many, F) left and top."""
    count, many = age.shape[:2]
    direction = scene.below(4, count, 1).expand(-1, many)
    if many == 2:  # each its own way along the axis of both
        direction = (direction + 2 * scene.below(2, count, many)) % 4
    along, across = _room_along(room, direction)
    travel = speed * (shown - 1)
    if travel > min(room[:2]):
        raise ValueError(
            f"a way of {travel} pixels does not fit a canvas of {canvas[0]}x{canvas[1]}: choose "
            "fewer frames, a lower speed or a larger canvas"
        )
    begin = _beginning(scene, along, travel, speed, asked)
    way = begin[..., None] + speed * age
    way = torch.where(way > along[..., None], 2 * along[..., None] - way, way)
    lane = _lane(scene, across, canvas, direction)
    left, top = _placed(direction, way, along[..., None], lane[..., None])
    return direction, left, top


def _shown(shown: int | None, frames: int, asked: str) -> int:
    """Frames in a row that an image is in."""
    if shown is None:
        shown = max(1, frames // 2) if asked == "order" else frames
    least, most = (2, frames) if asked == "direction" else (1, frames - (asked == "order"))
    if not least <= shown <= most:
        raise ValueError(
            f"asked for {asked!r}, an image is shown in {least} to {most} of {frames} frames, not "
            f"in {shown}"
        )
    return shown


def _room(image: tuple[int, int], canvas: tuple[int, int], many: int) -> tuple[int, int, int, int]:
    """How far an image can go along rows and columns; and in its half, where there are two."""
    (h, w), (height, width) = image, canvas
    halves = height // many, width // many
    if h > halves[0] or w > halves[1]:
        what = "the halves of " if many == 2 else ""
        raise ValueError(
            f"an image of {h}x{w} pixels does not fit {what}a canvas of {height}x{width}"
        )
    return width - w, height - h, halves[1] - w, halves[0] - h


def _starts(scene: Canvas, last: int, many: int, asked: str) -> Tensor:
    """(B, many) int64: the first frame that each image is in; of an order the first comes first."""
    if asked != "order":
        return scene.below(last + 1, scene.count, 1).expand(-1, many)
    first = scene.below(last, scene.count, 1)
    later = scene.below(2**31, scene.count, 1) * (last - first) >> 31
    return torch.cat([first, first + 1 + later], 1)


def _beginning(scene: Canvas, along: Tensor, travel: int, speed: int, asked: str) -> Tensor:
    """(B, many) how far from the wall behind it an image begins, to go straight for so long.

    One that bounces begins so that it goes a whole step towards the wall ahead, at least, before
    it meets it, and a whole step back.
    """
    many = along.shape[1]
    share = scene.below(2**31, scene.count, many)
    begin = share * (along - travel + 1) >> 31
    if asked != "bounce":
        return begin
    if travel < 2 * speed:
        raise ValueError(f"a way of {travel} pixels has no room to bounce: choose more frames")
    first = torch.arange(many, device=along.device) == 0
    return torch.where(first, along - speed - (share * (travel - 2 * speed + 1) >> 31), begin)


def _lane(scene: Canvas, across: Tensor, canvas: tuple[int, int], direction: Tensor) -> Tensor:
    """(B, many) pixels across the axis; of two images each has a half, whichever."""
    many = across.shape[1]
    lane = scene.below(2**31, scene.count, many) * (across + 1) >> 31
    if many == 1:
        return lane
    half = torch.arange(2, device=across.device) + scene.below(2, scene.count, 1)
    return lane + half % 2 * _half(canvas, direction)


def _room_along(room: tuple[int, int, int, int], direction: Tensor) -> tuple[Tensor, Tensor]:
    """(B, many) pixels along the axis, and across it."""
    flat = direction % 2 == 0
    wide, high, across_wide, across_high = room
    return torch.where(flat, wide, high), torch.where(flat, across_high, across_wide)


def _half(canvas: tuple[int, int], direction: Tensor) -> Tensor:
    """(B, many) where the second half across the axis begins."""
    return torch.where(direction % 2 == 0, canvas[0] // 2, canvas[1] // 2)


def _placed(direction: Tensor, way: Tensor, along: Tensor, lane: Tensor) -> tuple[Tensor, Tensor]:
    """(B, many) directions, (B, many, F) pixels gone -> (B, many, F) left and top in a frame."""
    forward = torch.where(direction[..., None] < 2, way, along - way)
    lane = lane.expand_as(way)
    flat = (direction % 2 == 0)[..., None]
    return torch.where(flat, forward, lane), torch.where(flat, lane, forward)


def _boxes(box: Tensor, there: Tensor, start: Tensor) -> Tensor:
    """(B, F, 4) boxes -> from the first frame that the image is in, NaN where it is not."""
    frames = box.shape[1]
    box = box.masked_fill(~there[..., None], torch.nan)
    order = (torch.arange(frames, device=box.device) + start[:, None]) % frames
    return box.gather(1, order[..., None].expand(-1, -1, 4))
