"""What an image becomes before anyone looks: a scene, drawn afresh from an explicit generator.

Every function here takes a split, (B,) indices into it and a generator, all on one device, and
returns `Scenes`; nothing loops over the batch. Whatever is placed is placed wholly inside the
canvas. Distractors come from the split that the target comes from, so no test image is ever seen
in training.
"""

import math
from collections.abc import Callable, Sequence
from itertools import combinations_with_replacement
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from hardattn.data import Split


class Scenes(NamedTuple):
    """B images to look at, and what only a task, a report or an oracle may read."""

    image: Tensor  # (B, C, H, W) uint8
    target: Tensor  # (B,) int64; (B, S) of a sequence, -1 where it is over
    box: Tensor  # (B, M, 4) x0, y0, x1, y1 of M targets, in the coordinates of locations; NaN: none
    index: Tensor  # type: ignore[assignment]  # (B,) int64, the image of the split that is the first

    def __len__(self) -> int:
        return len(self.image)

    @property
    def centre(self) -> Tensor:
        """(B, 2): the centre of the first target's box."""
        return (self.box[:, 0, :2] + self.box[:, 0, 2:]) / 2

    def to(self, device: torch.device | str) -> "Scenes":
        """The same scenes on another device."""
        return Scenes(*(field.to(device) for field in self))

    def repeat(self, times: int) -> "Scenes":
        """Every scene `times` times, copies next to each other: (B * times, ...)."""
        return Scenes(*(field.repeat_interleave(times, 0) for field in self))

    def slice(self, start: int, stop: int) -> "Scenes":
        """The scenes from `start` up to `stop`."""
        return Scenes(*(field[start:stop] for field in self))


def inside(point: Tensor, box: Tensor) -> Tensor:
    """(..., B, 2) points, (B, M, 4) boxes -> (..., B) bool: in any of them, borders included."""
    point = point[..., None, :]
    return ((point >= box[..., :2]) & (point <= box[..., 2:])).all(-1).any(-1)


Size = int | tuple[int, int]
MakeScenes = Callable[[Split, Tensor, torch.Generator | None], Scenes]


def plain(
    split: Split, index: Tensor, generator: torch.Generator | None = None, *, zoom: int = 1
) -> Scenes:
    """The image itself, each pixel `zoom` pixels wide; the target fills it."""
    image = split.images[index]
    if zoom > 1:
        image = image.repeat_interleave(zoom, -1).repeat_interleave(zoom, -2)
    box = torch.ones(len(index), 1, 4, device=index.device)
    box[..., :2] = -1
    return Scenes(image, split.labels[index], box, index)


def translated(
    split: Split,
    index: Tensor,
    generator: torch.Generator | None = None,
    *,
    canvas: Size,
    zoom: int = 1,
    zooms: tuple[int, ...] = (),
) -> Scenes:
    """The image at a uniform place of a blank canvas (Mnih et al. 2014, arXiv:1406.6247).

    zooms: of each target, drawn uniformly from these; if there are none, `zoom`.
    """
    return cluttered(split, index, generator, canvas=canvas, zoom=zoom, zooms=zooms, pieces=0)


def cluttered(
    split: Split,
    index: Tensor,
    generator: torch.Generator | None = None,
    *,
    canvas: Size,
    zoom: int = 1,
    zooms: tuple[int, ...] = (),
    pieces: int = 4,
    piece: int = 8,
) -> Scenes:
    """`translated`, plus `pieces` random crops of random images at random places.

    As the authors' generator has it (google-deepmind/mnist-cluttered): crops of `piece` x `piece`
    pixels, uniform over images, crop and place, may be blank and may lie on the digit; everything
    is added up and clamped. Canvas 60 with 4 pieces and canvas 100 with 8 are the scenes of Mnih
    et al. (2014, arXiv:1406.6247).

    canvas: (H, W), or one number for a square. zooms: as in `translated`; pieces keep `zoom`.
    """
    scene = _Canvas(split, index, generator, canvas)
    scene.clutter(pieces, piece, zoom)
    box = scene.sprite(index, zooms or (zoom,))
    return Scenes(scene.image(), split.labels[index], box[:, None], index)


def pair(
    split: Split,
    index: Tensor,
    generator: torch.Generator | None = None,
    *,
    canvas: Size,
    zoom: int = 1,
    zooms: tuple[int, ...] = (),
    pieces: int = 0,
    piece: int = 8,
    answer: str = "pair",
    classes: int = 10,
) -> Scenes:
    """Two images at uniform places, the second a random one (Ba et al. 2015, arXiv:1412.7755).

    They are placed independently, may overlap, are added up and clamped, as sprites are in
    google-deepmind/mnist-cluttered. answer: "pair", which two classes, in whatever order (55 of 10
    classes: (0, 0), (0, 1), ..., (0, 9), (1, 1), ...); or "sum", of the two labels (0 to 18).
    """
    if answer not in PAIRS:
        raise ValueError(f"no answer {answer!r} about a pair: choose one of {', '.join(PAIRS)}")
    scene = _Canvas(split, index, generator, canvas)
    other = scene.below(len(split), len(index))
    scene.clutter(pieces, piece, zoom)
    box = torch.stack([scene.sprite(each, zooms or (zoom,)) for each in (index, other)], 1)
    target = PAIRS[answer](split.labels[index], split.labels[other], classes)
    return Scenes(scene.image(), target, box, index)


def sequence(
    split: Split,
    index: Tensor,
    generator: torch.Generator | None = None,
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
    """
    scene = _Canvas(split, index, generator, canvas)
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
    return Scenes(scene.image(), target, box.masked_fill(~there[..., None], torch.nan), index)


def _which_pair(one: Tensor, other: Tensor, classes: int) -> Tensor:
    low, high = torch.minimum(one, other), torch.maximum(one, other)
    return low * classes - low * (low - 1) // 2 + high - low


def _sum(one: Tensor, other: Tensor, classes: int) -> Tensor:
    return one + other


PAIRS: dict[str, Callable[[Tensor, Tensor, int], Tensor]] = {"pair": _which_pair, "sum": _sum}

SCENES: dict[str, Callable[..., Scenes]] = {
    "plain": plain,
    "translated": translated,
    "cluttered": cluttered,
    "pair": pair,
    "sequence": sequence,
}


def answers(scene: str, classes: Sequence[str], answer: str = "pair") -> tuple[str, ...]:
    """The names of all that can be answered about a scene of such classes; `len` of it is K."""
    if scene == "sequence":
        return (*classes, "end")
    if scene != "pair":
        return tuple(classes)
    if answer == "sum":
        return tuple(str(total) for total in range(2 * len(classes) - 1))
    return tuple(f"{one} {other}" for one, other in combinations_with_replacement(classes, 2))


def frozen(make: MakeScenes, split: Split, seed: int, draws: int = 1) -> Scenes:
    """Every image of a split as `draws` scenes that depend on the seed alone.

    They are made on the CPU whatever the split's device, in fixed chunks, so that every agent on
    every machine is measured on the same scenes. Order: the whole split, then again; the first
    draw is the same however many follow.
    """
    generator = torch.Generator().manual_seed(seed)
    here = split.to("cpu")
    once = torch.arange(len(here)).split(1000)
    chunks = [make(here, part, generator) for _ in range(draws) for part in once]
    return Scenes(*(torch.cat(field) for field in zip(*chunks, strict=True))).to(
        split.images.device
    )


class _Canvas:
    """Scenes in the making: (B, C, H * W) sums, and the draws that make them."""

    def __init__(
        self, split: Split, index: Tensor, generator: torch.Generator | None, canvas: Size
    ):
        self.split, self.generator, self.device = split, generator, index.device
        self.height, self.width = (canvas, canvas) if isinstance(canvas, int) else canvas
        self.count, self.channels = len(index), split.images.shape[1]
        size = (self.count, self.channels, self.height * self.width)
        self.sums = torch.zeros(size, dtype=torch.int32, device=index.device)

    def below(self, bound: int, *shape: int) -> Tensor:
        """Uniform integers from 0 up to bound - 1."""
        return torch.randint(bound, shape, generator=self.generator, device=self.device)

    def fits(self, zoom: int, digits: int = 1, gap: int = 0) -> tuple[int, int]:
        """Height and width of a zoomed image; raises where a row of them does not fit."""
        h, w = (side * zoom for side in self.split.images.shape[2:])
        row = digits * w + (digits - 1) * gap
        if h > self.height or row > self.width:
            what = "an image" if digits == 1 else f"a row of {digits} images"
            raise ValueError(
                f"{what} of {h}x{row} pixels does not fit a canvas of {self.height}x{self.width}"
            )
        return h, w

    def clutter(self, pieces: int, piece: int, zoom: int) -> None:
        """Add random crops of random images at random places."""
        h, w = self.fits(zoom)
        if not pieces:
            return
        if piece > min(h, w):
            raise ValueError(f"a piece of {piece} pixels cannot be cut from an image of {h}x{w}")
        many = (self.count, pieces)
        source = self.below(len(self.split), *many)
        cut = self.below(h - piece + 1, *many), self.below(w - piece + 1, *many)
        top = self.below(self.height - piece + 1, *many)
        left = self.below(self.width - piece + 1, *many)
        crops = _crop(self.split.images, source, *cut, (piece, piece), zoom)
        _add(self.sums, self.width, crops, top, left)

    def sprite(self, index: Tensor, zooms: tuple[int, ...]) -> Tensor:
        """Add a whole image at a uniform place, at one of the zooms; its box, (B, 4)."""
        which = torch.zeros(self.count, 1, dtype=torch.int64, device=self.device)
        if len(zooms) > 1:
            which = self.below(len(zooms), self.count, 1)
        box = torch.zeros(self.count, 4, device=self.device)
        for number, zoom in enumerate(zooms):
            h, w = self.fits(zoom)
            top = self.below(self.height - h + 1, self.count, 1)
            left = self.below(self.width - w + 1, self.count, 1)
            chosen = which == number
            box = torch.where(
                chosen, self.paste(index[:, None], top, left, zoom, chosen)[:, 0], box
            )
        return box

    def paste(self, index: Tensor, top: Tensor, left: Tensor, zoom: int, there: Tensor) -> Tensor:
        """Add (B, n) whole images where they are `there`; their boxes, (B, n, 4)."""
        h, w = self.fits(zoom)
        start = torch.zeros_like(top)
        images = _crop(self.split.images, index, start, start, (h, w), zoom)
        _add(self.sums, self.width, images * there[..., None, None, None], top, left)
        x, y = torch.stack([left, left + w]) / self.width, torch.stack([top, top + h]) / self.height
        return torch.stack([x[0], y[0], x[1], y[1]], -1) * 2 - 1

    def image(self) -> Tensor:
        """(B, C, H, W) uint8: the sums, clamped."""
        size = (self.count, self.channels, self.height, self.width)
        return self.sums.clamp(max=255).to(torch.uint8).view(size)


def _crop(
    images: Tensor, source: Tensor, top: Tensor, left: Tensor, size: tuple[int, int], zoom: int
) -> Tensor:
    """(B, n, C, h, w): n crops a row, of the zoomed images that `source` (B, n) names."""
    channels, rows, columns = images.shape[1:]
    y = (top[..., None] + torch.arange(size[0], device=top.device)) // zoom
    x = (left[..., None] + torch.arange(size[1], device=top.device)) // zoom
    inside = (y[..., :, None] * columns + x[..., None, :])[:, :, None]
    channel = torch.arange(channels, device=top.device)[:, None, None] * (rows * columns)
    first = source[..., None, None, None] * (channels * rows * columns)
    return images.reshape(-1)[first + channel + inside]


def _add(canvas: Tensor, width: int, patches: Tensor, top: Tensor, left: Tensor) -> None:
    """Add (B, n, C, h, w) patches to a flat (B, C, H * W) canvas at (B, n) places."""
    count, channels, (h, w) = len(patches), patches.shape[2], patches.shape[3:]
    y = top[..., None] + torch.arange(h, device=top.device)
    x = left[..., None] + torch.arange(w, device=top.device)
    where = (y[..., :, None] * width + x[..., None, :])[:, None].expand(-1, channels, -1, -1, -1)
    values = patches.transpose(1, 2).reshape(count, channels, -1).to(canvas.dtype)
    canvas.scatter_add_(2, where.reshape(count, channels, -1), values)


def warped(scenes: Scenes, matrix: Tensor) -> Scenes:
    """What is at p goes to A p + t, in locations: (B, 2, 3) matrices (A | t), one an image.

    Read bilinearly, 0 outside the image. A box becomes the upright box around it, within the image.
    """
    linear, moved = matrix[..., :2], matrix[..., 2:]
    back = torch.linalg.inv(linear)
    image = scenes.image.to(matrix.dtype)
    grid = F.affine_grid(
        torch.cat([back, -back @ moved], -1), list(image.shape), align_corners=False
    )
    image = F.grid_sample(image, grid, align_corners=False).round().clamp(0, 255)
    x0, y0, x1, y1 = scenes.box.to(matrix.dtype).unbind(-1)
    corners = torch.stack([x0, y0, x1, y0, x0, y1, x1, y1], -1).unflatten(-1, (4, 2))
    corners = corners @ linear.mT[:, None] + moved.mT[:, None]
    box = torch.cat([corners.amin(2), corners.amax(2)], -1).clamp(-1, 1)
    return Scenes(image.to(torch.uint8), scenes.target, box.to(scenes.box), *scenes[3:])


def jittered(
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
    height, width = scenes.image.shape[2:]
    drawn = torch.empty(len(scenes), 4, device=scenes.box.device)
    drawn.uniform_(-1.0, 1.0, generator=generator)
    angle, factor = math.radians(turn) * drawn[:, 0], (math.log(stretch) * drawn[:, 1]).exp()
    cos, sin = factor * angle.cos(), factor * angle.sin()
    # Pixels are turned, not locations, whose units differ where the image is not square.
    x = torch.stack([cos, -sin * height / width, shift * drawn[:, 2]], 1)
    y = torch.stack([sin * width / height, cos, shift * drawn[:, 3]], 1)
    return warped(scenes, torch.stack([x, y], 1))
