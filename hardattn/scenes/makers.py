"""What an image becomes before anyone looks: a scene, drawn afresh from an explicit generator.

Every function that has a row in `problem.SCENES` takes a split, (B,) indices into it and a
generator, all on one device, and returns `Scenes`; nothing loops over the batch. Whatever is placed
is placed wholly inside the canvas. Distractors come from the split that the target comes from, so
no test image is ever seen in training.
"""

import math
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from hardattn import rng
from hardattn.data import Split
from hardattn.data.album import Album
from hardattn.rng import Generator
from hardattn.scenes.altered import Unpainted
from hardattn.scenes.canvas import CELLS, Canvas, Size
from hardattn.scenes.pairs import which
from hardattn.scenes.photographs import Photographs
from hardattn.scenes.scene import Scenes

CENTRE = 4  # pixels from the middle of a circle or square to its last
MANY = 2**22  # pixels that are computed at a time
PLACES = 5  # places of `localise`, rows and columns


def plain(
    split: Split, index: Tensor, generator: Generator | None = None, *, zoom: int = 1
) -> Scenes:
    """The image itself, each pixel `zoom` pixels wide.

    Where in it the target is nobody knows but a split that was told, so it has no box: one around
    the whole image would be hit by every look.

    Args:
        zoom: Pixels a side that each pixel of the image becomes.
    """
    picture: Tensor | Unpainted
    if isinstance(split.images, Album) and zoom == 1:
        picture = Photographs.of(split.images, index)
    else:
        height, width = split.stacked.shape[2:]
        scene = Canvas(split, index, generator, (zoom * height, zoom * width))
        corner = torch.zeros_like(index)[:, None]
        scene.paste(index[:, None], corner, corner, zoom)
        picture = scene.picture()
    if split.boxes is None:
        box = torch.full((len(index), 1, 4), torch.nan, device=index.device)
    else:
        box = split.boxes.index_select(0, index)
    return Scenes(picture, split.labels[index], box, index)


def translated(
    split: Split,
    index: Tensor,
    generator: Generator | None = None,
    *,
    canvas: Size,
    zoom: int = 1,
    zooms: tuple[int, ...] = (),
) -> Scenes:
    """The image at a uniform place of a blank canvas (Mnih et al. 2014, arXiv:1406.6247).

    zooms: of each target, drawn uniformly from these; if there are none, `zoom`.

    Args:
        canvas: Height and width in pixels, or one number for a square.
        zoom: Pixels a side that each pixel of the image becomes.
        zooms: Zooms of which each target gets one; if there are none, `zoom`.
    """
    return cluttered(split, index, generator, canvas=canvas, zoom=zoom, zooms=zooms, distractors=0)


def cluttered(
    split: Split,
    index: Tensor,
    generator: Generator | None = None,
    *,
    canvas: Size,
    zoom: int = 1,
    zooms: tuple[int, ...] = (),
    distractors: int = 4,
    distractor_size: int = 8,
) -> Scenes:
    """`translated`, plus `distractors` random crops of random images at random places.

    As the authors' generator has it (google-deepmind/mnist-cluttered): crops, square, are uniform
    over images, crop and place, may be blank and may lie on the digit; everything is added up and
    clamped. Canvas 60 with 4 pieces and canvas 100 with 8 are the scenes of Mnih
    et al. (2014, arXiv:1406.6247).

    canvas: (H, W), or one number for a square. zooms: as in `translated`; pieces keep `zoom`.

    Args:
        canvas: Height and width in pixels, or one number for a square.
        zoom: Pixels a side that each pixel of the image becomes.
        zooms: Zooms of which each target gets one; if there are none, `zoom`.
        distractors: How many crops of other images clutter the canvas.
        distractor_size: Side of such a crop in pixels.
    """
    scene = Canvas(split, index, generator, canvas)
    scene.clutter(distractors, distractor_size, zoom)
    box = scene.sprite(index, zooms or (zoom,))
    return Scenes(scene.picture(), split.labels[index], box[:, None], index)


def pair(
    split: Split,
    index: Tensor,
    generator: Generator | None = None,
    *,
    canvas: Size,
    zoom: int = 1,
    zooms: tuple[int, ...] = (),
    distractors: int = 0,
    distractor_size: int = 8,
    answer: Literal["pair", "sum"] = "pair",
    classes: int = 10,
    names: tuple[str, ...] = (),
) -> Scenes:
    """Two images at uniform places, the second a random one (Ba et al. 2015, arXiv:1412.7755).

    They are placed independently, may overlap, are added up and clamped, as sprites are in
    google-deepmind/mnist-cluttered. answer: "pair", which two classes, in whatever order (55 of 10
    classes: (0, 0), (0, 1), ..., (0, 9), (1, 1), ...); or "sum", of the numbers that the two
    classes are called by, the smallest sum first (of ten digits 0 to 18).

    names: of the classes; if there are none, they are called 0, 1, 2, ...

    Args:
        canvas: Height and width in pixels, or one number for a square.
        zoom: Pixels a side that each pixel of the image becomes.
        zooms: Zooms of which each target gets one; if there are none, `zoom`.
        distractors: How many crops of other images clutter the canvas.
        distractor_size: Side of such a crop in pixels.
        answer: What is asked of two images: which pair they are, or their sum.
        classes: How many there are.
        names: What classes are called; if there are none, 0, 1, 2, ...
    """
    scene = Canvas(split, index, generator, canvas)
    other = scene.below(len(split), len(index))
    scene.clutter(distractors, distractor_size, zoom)
    box = torch.stack([scene.sprite(each, zooms or (zoom,)) for each in (index, other)], 1)
    called = names or tuple(map(str, range(classes)))
    target = which(split.labels[index], split.labels[other], called, answer)
    return Scenes(scene.picture(), target, box, index)


def sequence(
    split: Split,
    index: Tensor,
    generator: Generator | None = None,
    *,
    canvas: Size,
    zoom: int = 1,
    digits: int = 3,
    gap: int = 2,
    classes: int = 10,
) -> Scenes:
    """A row of 1 to `digits` images, the first and random others, at a uniform place.

    The length is uniform; so is each gap between neighbours, 0 to `gap` pixels. The target is
    (B, digits + 1): a label each from left to right, then the end symbol `classes`, then -1. The
    sequences of Ba et al. (2015, arXiv:1412.7755) in small; theirs are house numbers.

    Args:
        canvas: Height and width in pixels, or one number for a square.
        zoom: Pixels a side that each pixel of the image becomes.
        digits: The most images in a row.
        gap: The widest gap between them in pixels.
        classes: How many there are.
    """
    scene = Canvas(split, index, generator, canvas)
    count, device = len(index), index.device
    h, w = scene.fits(zoom, digits, gap)
    length = 1 + scene.below(digits, count, 1)
    others = scene.below(len(split), count, digits - 1)
    members = torch.cat([index[:, None], others], 1)
    before = scene.below(gap + 1, count, digits)
    before[:, 0] = 0
    number = torch.arange(digits, device=device)
    there = number < length
    left = before.cumsum(1) + number * w
    extent = (left + w).gather(1, length - 1)
    top = scene.below(scene.height - h + 1, count, 1).expand(-1, digits)
    # Uniform below a bound of its own for each row, in whole numbers.
    share = scene.below(2**31, count, 1)
    left = left + (share * (scene.width - extent + 1) >> 31)
    box = scene.paste(members, top, torch.where(there, left, 0), zoom, there)

    end = torch.arange(digits + 1, device=device) == length
    target = torch.full((count, digits + 1), -1, device=device)
    target[:, :digits] = torch.where(there, split.labels[members], -1)
    target = torch.where(end, classes, target)
    return Scenes(scene.picture(), target, box.masked_fill(~there[..., None], torch.nan), index)


def search(
    split: Split,
    index: Tensor,
    generator: Generator | None = None,
    *,
    canvas: Size,
    zoom: int = 1,
    distractors: int = 4,
    classes: int = 10,
) -> Scenes:
    """A target among images of other classes, each in a cell of its own of 3 x 3; where is it?

    The answer is the cell, 0 to 8, row by row; the cue is the target's class, one-hot. Cells are
    drawn without replacement, places within them and distractors uniformly.

    Args:
        canvas: Height and width in pixels, or one number for a square.
        zoom: Pixels a side that each pixel of the image becomes.
        distractors: How many images of other classes lie there.
        classes: How many there are.
    """
    scene = Canvas(split, index, generator, canvas)
    if not 0 <= distractors < CELLS**2:
        raise ValueError(f"{CELLS**2} cells have room for {CELLS**2 - 1} distractors at most")
    cell, top, left = scene.in_cells(zoom, 1 + distractors)
    members = torch.cat([index[:, None], scene.of_other_classes(index, distractors)], 1)
    box = scene.paste(members, top, left, zoom)
    cue = F.one_hot(split.labels[index], classes).to(box.dtype)
    return Scenes(scene.picture(), cell[:, 0], box[:, :1], index, cue)


def localise(
    split: Split,
    index: Tensor,
    generator: Generator | None = None,
    *,
    canvas: Size,
    zoom: int = 1,
    distractors: int = 4,
    distractor_size: int = 8,
) -> Scenes:
    """`cluttered`, with the image at one of 5 x 5 places, evenly spread; at which one?

    From a place to the next there are as many whole pixels as fit. The answer is the place, 0 to
    24, row by row; what it is worth says `tasks.Localise`.

    Args:
        canvas: Height and width in pixels, or one number for a square.
        zoom: Pixels a side that each pixel of the image becomes.
        distractors: How many crops of other images clutter the canvas.
        distractor_size: Side of such a crop in pixels.
    """
    scene = Canvas(split, index, generator, canvas)
    count, (h, w) = len(index), scene.fits(zoom)
    down, across = apart(canvas, h, w)
    scene.clutter(distractors, distractor_size, zoom)
    place = scene.below(PLACES**2, count, 1)
    top = (scene.height - h) % (PLACES - 1) // 2 + place // PLACES * down
    left = (scene.width - w) % (PLACES - 1) // 2 + place % PLACES * across
    box = scene.paste(index[:, None], top, left, zoom)
    return Scenes(scene.picture(), place[:, 0], box, index)


def apart(canvas: Size, height: int, width: int) -> tuple[int, int]:
    """Pixels from one of the places of `localise` to the next, down and across.

    height, width: of the image as it lies there. Raises ValueError where places do not fit.
    """
    tall, wide = (canvas, canvas) if isinstance(canvas, int) else canvas
    down, across = (tall - height) // (PLACES - 1), (wide - width) // (PLACES - 1)
    if down < 1 or across < 1:
        raise ValueError(
            f"{PLACES} x {PLACES} places of {height}x{width} pixels do not fit a canvas of "
            f"{tall}x{wide}"
        )
    return down, across


def circle_square(
    split: Split,
    index: Tensor,
    generator: Generator | None = None,
    *,
    canvas: Size = 28,
) -> Scenes:
    """A square of 9 x 9 pixels (target 0) or a disc as wide (1), white, around a uniform pixel.

    It may be cut off by the border. Everywhere else the image is the darker the farther from it:
    255 (1 - distance / diagonal). This is CircleSquare of ap_gym 0.7 (see also APPLE,
    arXiv:2505.06182), whose numbers are not rounded. Of the split there is only its number of
    channels: no image and no label of it is used.

    Args:
        canvas: Height and width in pixels, or one number for a square.
    """
    height, width = (canvas, canvas) if isinstance(canvas, int) else canvas
    count, device = len(index), index.device

    def below(bound: int) -> Tensor:
        return rng.below(bound, (count, 1), generator, device)

    target, row, column = below(2)[:, 0], below(height), below(width)
    image = torch.empty(count, 1, height, width, dtype=torch.uint8, device=device)
    many = max(1, MANY // (height * width))
    for few in (slice(start, start + many) for start in range(0, count, many)):
        dy = (torch.arange(height, device=device) - row[few])[:, :, None]
        dx = (torch.arange(width, device=device) - column[few])[:, None, :]
        squared = dy**2 + dx**2
        field = 255 * (1 - squared.sqrt() / math.hypot(height, width))
        square = (dy.abs() <= CENTRE) & (dx.abs() <= CENTRE)
        shape = torch.where(target[few, None, None] == 0, square, squared <= CENTRE**2)
        image[few, 0] = field.round().masked_fill(shape, 255).to(torch.uint8)
    extent = _numbers((-CENTRE, 1 + CENTRE), device)
    x, y = (column + extent).clamp(0, width), (row + extent).clamp(0, height)
    size = _numbers((width, height, width, height), device)
    box = torch.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], 1) / size * 2 - 1
    return Scenes(image.expand(-1, split.images.shape[1], -1, -1), target, box[:, None], index)


@lru_cache(maxsize=16)
def _numbers(numbers: tuple[int, ...], device: torch.device) -> Tensor:
    """Kept on the device: to bring them there each time, the host would wait."""
    return torch.tensor(numbers, device=device)
