"""Finished scenes, changed: contrast, noise, a blank square, a shift, clutter, a turn.

What is drawn comes from an explicit generator, and a second call with its seed draws the same, so
that one curve has one noise at all of its levels. Scenes are new; boxes stay right.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from hardattn.data import Split
from hardattn.rng import Generator
from hardattn.scenes.altered import Altered, Unpainted
from hardattn.scenes.canvas import Canvas
from hardattn.scenes.scene import Scenes


def contrast(scenes: Scenes, factor: float) -> Scenes:
    """Each pixel's distance from the mean of its image and channel, times `factor`.

    As in ImageNet-C (Hendrycks & Dietterich 2019, arXiv:1903.12261). 1 changes nothing, 0 is flat.
    """
    image = scenes.image.to(torch.get_default_dtype())
    mean = image.mean((2, 3), keepdim=True)
    return Scenes(_pixels(mean + factor * (image - mean)), *scenes[1:])


def noise(scenes: Scenes, std: float, generator: torch.Generator) -> Scenes:
    """Independent Gaussian noise on every pixel; `std` in shares of the range from black to white.

    What falls outside the range is cut off.
    """
    image = scenes.image.to(torch.get_default_dtype())
    drawn = torch.randn(image.shape, generator=generator, device=generator.device)
    return Scenes(_pixels(image + 255 * std * drawn.to(image)), *scenes[1:])


def occluded(scenes: Scenes, share: float, generator: torch.Generator) -> Scenes:
    """A black rectangle over `share` of the area of each target's box, at a uniform place in it.

    Square where the box is, else of its proportions; rounded to whole pixels.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"a share of a box lies between 0 and 1, not at {share}")
    height, width = scenes.shape[1:]
    targets = (*scenes.box.shape[:2], 2)
    drawn = torch.rand(targets, generator=generator, device=generator.device).to(scenes.box)
    blank = torch.ones(len(scenes), 1, height, width, dtype=torch.bool, device=scenes.device)
    # In floating point to the end: of a target that is absent (NaN) no comparison holds.
    size = torch.tensor([width, height], device=scenes.box.device)
    first = ((scenes.box[..., :2] + 1) / 2 * size).round()
    extent = ((scenes.box[..., 2:] + 1) / 2 * size).round() - first
    side = (extent * share**0.5).round()
    start = first + (drawn * (extent - side + 1)).floor()

    def within(axis: int, pixels: int) -> Tensor:
        place = torch.arange(pixels, device=start.device)
        low = start[..., axis, None]
        return (place >= low) & (place < low + side[..., axis, None])

    for across, down in zip(within(0, width).unbind(1), within(1, height).unbind(1), strict=True):
        blank &= ~(down[:, None, :, None] & across[:, None, None, :])
    return Scenes(scenes.image * blank, *scenes[1:])


def shifted(scenes: Scenes, right: int, down: int) -> Scenes:
    """All moved by whole pixels; what leaves the image is lost, and black comes in."""
    height, width = scenes.shape[1:]
    move = torch.tensor([right / width, down / height] * 2, device=scenes.box.device) * 2
    image = F.pad(scenes.image, (right, -right, down, -down))
    box = (scenes.box + move.to(scenes.box)).clamp(-1, 1)
    return Scenes(image, scenes.target, box, *scenes[3:])


def add_clutter(
    scenes: Scenes,
    split: Split,
    generator: Generator | None = None,
    *,
    distractors: int,
    distractor_size: int = 8,
    zoom: int = 1,
) -> Scenes:
    """The same scenes with more crops of images of the split, as `cluttered` adds them."""
    scene = Canvas(split, scenes.index, generator, scenes.shape[1:])
    scene.clutter(distractors, distractor_size, zoom)
    if not scene.kinds:
        return scenes
    return Scenes(scene.sprites().painted(scenes.image), *scenes[1:])


def affine_transform(scenes: Scenes, matrix: Tensor, reach: float | None = None) -> Scenes:
    """What is at p goes to A p + t, in locations: (B, 2, 3) matrices (A | t), one an image.

    Read bilinearly, 0 outside the image. A box becomes the upright box around it, within the image.
    reach: how many pixels one of the new scenes spans of the old at most, if that is known: then
    scenes are changed when they are read, see `altered`.
    """
    linear, moved = matrix[..., :2], matrix[..., 2:]
    back = torch.linalg.inv(linear)
    back = torch.cat([back, -back @ moved], -1)
    altered = Altered.of(scenes.picture).mapped(back, reach or 1.0)
    picture: Tensor | Unpainted = altered.painted() if reach is None else altered
    x0, y0, x1, y1 = scenes.box.to(matrix.dtype).unbind(-1)
    corners = torch.stack([x0, y0, x1, y0, x0, y1, x1, y1], -1).unflatten(-1, (4, 2))
    corners = corners @ linear.mT[:, None] + moved.mT[:, None]
    box = torch.cat([corners.amin(2), corners.amax(2)], -1).clamp(-1, 1)
    return Scenes(picture, scenes.target, box.to(scenes.box), *scenes[3:])


def random_affine(
    scenes: Scenes,
    generator: torch.Generator | None = None,
    *,
    turn: float,
    stretch: float,
    shift: float,
) -> Scenes:
    """The scenes as they might have been as well: turned, magnified and shifted, never mirrored.

    About the centre, uniformly: by up to `turn` degrees either way, by up to a factor of `stretch`
    up or down (uniform in its logarithm), and by up to `shift` along x and y, in locations.
    """
    height, width = scenes.shape[1:]
    drawn = torch.empty(len(scenes), 4, device=scenes.box.device)
    drawn.uniform_(-1.0, 1.0, generator=generator)
    factor = (math.log(stretch) * drawn[:, 1]).exp()[:, None, None]
    linear = factor * rotation(math.radians(turn) * drawn[:, 0], height / width)
    return affine_transform(scenes, torch.cat([linear, shift * drawn[:, 2:, None]], 2))


def rotation(angle: Tensor, aspect: float) -> Tensor:
    """(B,) radians -> (B, 2, 2), what turns locations of an image whose height is aspect widths.

    Pixels are turned, not locations, whose units differ where an image is not square.
    """
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([cos, -sin * aspect, sin / aspect, cos], 1).unflatten(1, (2, 2))


def _pixels(image: Tensor) -> Tensor:
    return image.round().clamp(0, 255).to(torch.uint8)
