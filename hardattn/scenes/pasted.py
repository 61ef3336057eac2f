"""Scenes into which a square of another scene was pasted: which pixels are not its own?"""

import math

import torch
from torch import Tensor

from hardattn import rng
from hardattn.data import Split
from hardattn.rng import Generator
from hardattn.scenes.canvas import Canvas, Size
from hardattn.scenes.masks import cells
from hardattn.scenes.scene import Scenes

GRAIN = 40.0  # the mean of the waves that every scene has of its own, of 255
WAVES = (0.6, 1.4)  # their least and largest frequency, in radians a pixel


def pasted(
    split: Split,
    index: Tensor,
    generator: Generator | None = None,
    *,
    canvas: Size,
    zoom: int = 1,
    distractors: int = 4,
    distractor_size: int = 8,
    side: int = 16,
    spacing: int = 2,
) -> Scenes:
    """`cluttered` on waves, with a square of another such scene in it, at the place it had there.

    Waves lie under all of a scene, of a direction, frequency and phase that are uniform and its
    own: what was pasted is told by a change of grain and by lines that break off, as in pictures
    that were tampered with, not by what it shows. The target is (B, h * w), asked of the middle
    pixel of every square of `spacing` pixels: 1 where it was pasted, else 0. The box is that of
    the square.

    Args:
        canvas: Height and width in pixels, or one number for a square.
        zoom: Pixels a side that each pixel of the image becomes.
        distractors: How many crops of other images clutter either scene.
        distractor_size: Side of such a crop in pixels.
        side: Pixels a side of the square that is pasted.
        spacing: Pixels from a place that is asked about to the next, in a row and in a column.
    """
    own, count, device = Canvas(split, index, generator, canvas), len(index), index.device
    if not 0 < side <= min(own.height, own.width):
        size = f"{own.height}x{own.width}"
        raise ValueError(f"a square of {side} pixels a side does not fit a canvas of {size}")
    other = own.below(len(split), count)
    images = []
    for which in (index, other):
        scene = Canvas(split, which, generator, canvas)
        scene.clutter(distractors, distractor_size, zoom)
        scene.sprite(which, (zoom,))
        painted = scene.sprites().painted().short()
        images.append((painted + _waves(scene, generator)[:, None]).clamp(max=255).byte())
    top, left = (
        own.below(own.height - side + 1, count, 1),
        own.below(own.width - side + 1, count, 1),
    )
    row, column = torch.arange(own.height, device=device), torch.arange(own.width, device=device)
    down, across = (row >= top) & (row < top + side), (column >= left) & (column < left + side)
    inside = down[:, :, None] & across[:, None]
    rows, columns = cells(canvas, spacing)
    half = spacing // 2
    asked = inside[:, half::spacing, half::spacing][:, :rows, :columns]
    x, y = (
        torch.cat([left, left + side], 1) / own.width,
        torch.cat([top, top + side], 1) / own.height,
    )
    box = torch.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], 1) * 2 - 1
    picture = torch.where(inside[:, None], images[1], images[0])
    return Scenes(picture, asked.flatten(1).long(), box[:, None], index)


def _waves(scene: Canvas, generator: Generator | None) -> Tensor:
    """(B, H, W) int16: the grain of each scene."""

    def drawn(low: float, high: float) -> Tensor:
        return rng.uniform(low, high, (scene.count, 1), generator, scene.device)[..., None]

    angle, frequency, phase = drawn(0, math.pi), drawn(*WAVES), drawn(0, 2 * math.pi)
    y = torch.arange(scene.height, device=scene.device)[:, None]
    x = torch.arange(scene.width, device=scene.device)
    along = x * angle.cos() + y * angle.sin()
    return (GRAIN * (1 + torch.cos(frequency * along + phase))).round().short()
