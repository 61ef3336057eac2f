"""Scenes of which is asked, at many places at once, what is there; or where points of it are."""

from typing import Literal

import torch
from torch import Tensor

from hardattn.data import Split
from hardattn.rng import Generator
from hardattn.scenes.canvas import Canvas, Size
from hardattn.scenes.scene import Scenes

INK = 128  # the least value of a pixel that belongs to what is shown, of 255
POINTS = 5  # key points of an image


def cells(canvas: Size, spacing: int) -> tuple[int, int]:
    """Rows and columns of the cells of a canvas, squares of `spacing` pixels."""
    height, width = (canvas, canvas) if isinstance(canvas, int) else canvas
    if spacing < 1 or spacing > min(height, width):
        raise ValueError(
            f"cells of {spacing} pixels a side do not lie on a canvas of {height}x{width}"
        )
    return height // spacing, width // spacing


def masks(
    split: Split,
    index: Tensor,
    generator: Generator | None = None,
    *,
    canvas: Size,
    zoom: int = 1,
    digits: int = 2,
    distractors: int = 4,
    distractor_size: int = 8,
    spacing: int = 2,
    label: Literal["class", "salient"] = "class",
) -> Scenes:
    """Images at uniform places among pieces of others: which pixel belongs to an image, and to one
    of which class?

    It is asked of the middle pixel of every square of `spacing` pixels. The target is (B, h * w),
    row by row: 0 where there is none of the images, else 1 + the class of the last that was put
    there. A pixel belongs to an image where its own value there is at least INK; pieces belong to
    nothing, and may lie on an image. label: "salient", whether there is any of the images, 0 or 1.

    Args:
        canvas: Height and width in pixels, or one number for a square.
        zoom: Pixels a side that each pixel of the image becomes.
        digits: How many whole images there are, the first and random others.
        distractors: How many crops of other images clutter the canvas.
        distractor_size: Side of such a crop in pixels.
        spacing: Pixels from a place that is asked about to the next, in a row and in a column.
        label: What is asked of a place: its class, or whether an image is there, salient.
    """
    if label not in ("class", "salient"):
        raise ValueError(f"no label {label!r} of masks: choose one of class, salient")
    scene = Canvas(split, index, generator, canvas)
    h, w = scene.fits(zoom)
    members = torch.cat([index[:, None], scene.below(len(split), len(index), digits - 1)], 1)
    scene.clutter(distractors, distractor_size, zoom)
    top = scene.below(scene.height - h + 1, len(index), digits)
    left = scene.below(scene.width - w + 1, len(index), digits)
    box = scene.paste(members, top, left, zoom)
    rows, columns = cells(canvas, spacing)
    row = torch.arange(rows, device=index.device) * spacing + spacing // 2
    column = torch.arange(columns, device=index.device) * spacing + spacing // 2
    # (B, digits, rows) and (B, digits, columns) of the image, each pixel zoomed.
    y, x = (row - top[..., None]) // zoom, (column - left[..., None]) // zoom
    height, width = h // zoom, w // zoom
    within = ((y >= 0) & (y < height))[..., None] & ((x >= 0) & (x < width))[..., None, :]
    y, x = y.clamp(0, height - 1)[..., None], x.clamp(0, width - 1)[..., None, :]
    ink = split.stacked.amax(1)[members[..., None, None], y, x] >= INK
    there = (ink & within).flatten(2)
    which = 1 + split.labels[members] if label == "class" else torch.ones_like(members)
    target = torch.zeros_like(there[:, 0], dtype=torch.int64)
    for number in range(digits):
        target = torch.where(there[:, number], which[:, number, None], target)
    return Scenes(scene.picture(), target, box, index)


def keypoints(
    split: Split,
    index: Tensor,
    generator: Generator | None = None,
    *,
    canvas: Size,
    zoom: int = 1,
    distractors: int = 4,
    distractor_size: int = 8,
    spacing: int = 2,
) -> Scenes:
    """`cluttered`, of which is asked where five points of the image are.

    They are the corners of the smallest box around its ink, at top left, top right, bottom left and
    bottom right, and its centre. The target is (B, 5): the number, row by row, of the square of
    `spacing` pixels that the point lies in. Ink is what is at least INK; an image without any
    counts as all ink.

    Args:
        canvas: Height and width in pixels, or one number for a square.
        zoom: Pixels a side that each pixel of the image becomes.
        distractors: How many crops of other images clutter the canvas.
        distractor_size: Side of such a crop in pixels.
        spacing: Side of the squares by which places are told, in pixels.
    """
    scene = Canvas(split, index, generator, canvas)
    h, w = scene.fits(zoom)
    scene.clutter(distractors, distractor_size, zoom)
    top = scene.below(scene.height - h + 1, len(index), 1)
    left = scene.below(scene.width - w + 1, len(index), 1)
    box = scene.paste(index[:, None], top, left, zoom)
    ink = split.stacked[index].amax(1) >= INK
    ink = ink | ~ink.any((1, 2))[:, None, None]
    rows, columns = cells(canvas, spacing)
    # (B, 3): the first pixel of ink, the last, and the middle of both, down and across.
    down = top + _extent(ink.any(2), zoom)
    across = left + _extent(ink.any(1), zoom)
    row, column = (down // spacing).clamp(max=rows - 1), (across // spacing).clamp(max=columns - 1)
    corners = (row[:, :2, None] * columns + column[:, None, :2]).flatten(1)
    target = torch.cat([corners, row[:, 2:] * columns + column[:, 2:]], 1)
    return Scenes(scene.picture(), target, box, index)


def _extent(ink: Tensor, zoom: int) -> Tensor:
    """(B, n) bool -> (B, 3): where ink begins, where it ends, and the middle, in zoomed pixels."""
    size, number = ink.shape[1], ink.long()
    first = number.argmax(1) * zoom
    last = (size - number.flip(1).argmax(1)) * zoom - 1
    return torch.stack([first, last, (first + last) // 2], 1)
