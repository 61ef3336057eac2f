"""What an image becomes before anyone looks: a scene, drawn afresh from an explicit generator.

Every function here takes a split, (B,) indices into it and a generator, all on one device, and
returns `Scenes`; nothing loops over the batch. Whatever is placed is placed wholly inside the
canvas. Distractors come from the split that the target comes from, so no test image is ever seen
in training.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from hardattn.data import Split


class Scenes(NamedTuple):
    """B images to look at, and what only a task, a report or an oracle may read."""

    image: Tensor  # (B, C, H, W) uint8
    target: Tensor  # (B,) int64
    box: Tensor  # (B, 4) x0, y0, x1, y1 of the target, in the coordinates of locations
    index: Tensor  # type: ignore[assignment]  # (B,) int64, which image of the split the target is

    def __len__(self) -> int:
        return len(self.image)

    def to(self, device: torch.device | str) -> "Scenes":
        """The same scenes on another device."""
        return Scenes(*(field.to(device) for field in self))

    def repeat(self, times: int) -> "Scenes":
        """Every scene `times` times, copies next to each other: (B * times, ...)."""
        return Scenes(*(field.repeat_interleave(times, 0) for field in self))

    def slice(self, start: int, stop: int) -> "Scenes":
        """The scenes from `start` up to `stop`."""
        return Scenes(*(field[start:stop] for field in self))


Size = int | tuple[int, int]
MakeScenes = Callable[[Split, Tensor, torch.Generator | None], Scenes]


def plain(
    split: Split, index: Tensor, generator: torch.Generator | None = None, *, zoom: int = 1
) -> Scenes:
    """The image itself, each pixel `zoom` pixels wide; the target fills it."""
    image = split.images[index]
    if zoom > 1:
        image = image.repeat_interleave(zoom, -1).repeat_interleave(zoom, -2)
    box = torch.ones(len(index), 4, device=index.device)
    box[:, :2] = -1
    return Scenes(image, split.labels[index], box, index)


def translated(
    split: Split,
    index: Tensor,
    generator: torch.Generator | None = None,
    *,
    canvas: Size,
    zoom: int = 1,
) -> Scenes:
    """The image at a uniform place of a blank canvas (Mnih et al. 2014, arXiv:1406.6247)."""
    return cluttered(split, index, generator, canvas=canvas, zoom=zoom, pieces=0)


def cluttered(
    split: Split,
    index: Tensor,
    generator: torch.Generator | None = None,
    *,
    canvas: Size,
    zoom: int = 1,
    pieces: int = 4,
    piece: int = 8,
) -> Scenes:
    """`translated`, plus `pieces` random crops of random images at random places.

    As the authors' generator has it (google-deepmind/mnist-cluttered): crops of `piece` x `piece`
    pixels, uniform over images, crop and place, may be blank and may lie on the digit; everything
    is added up and clamped. Canvas 60 with 4 pieces and canvas 100 with 8 are the scenes of Mnih
    et al. (2014, arXiv:1406.6247).

    canvas: (H, W), or one number for a square.
    """
    height, width = _sides(canvas)
    channels, h, w = split.images.shape[1:]
    h, w = h * zoom, w * zoom
    if h > height or w > width:
        raise ValueError(f"an image of {h}x{w} pixels does not fit a canvas of {height}x{width}")
    if pieces and piece > min(h, w):
        raise ValueError(f"a piece of {piece} pixels cannot be cut from an image of {h}x{w}")
    count, device = len(index), index.device

    def below(bound: int, *shape: int) -> Tensor:
        return torch.randint(bound, shape, generator=generator, device=device)

    canvas_flat = torch.zeros(count, channels, height * width, dtype=torch.int32, device=device)
    if pieces:
        source = below(len(split), count, pieces)
        cut = below(h - piece + 1, count, pieces), below(w - piece + 1, count, pieces)
        place = below(height - piece + 1, count, pieces), below(width - piece + 1, count, pieces)
        _add(canvas_flat, width, _crop(split.images, source, *cut, (piece, piece), zoom), *place)
    top, left = below(height - h + 1, count, 1), below(width - w + 1, count, 1)
    start = torch.zeros_like(top)
    _add(
        canvas_flat,
        width,
        _crop(split.images, index[:, None], start, start, (h, w), zoom),
        top,
        left,
    )

    image = canvas_flat.clamp_(max=255).to(torch.uint8).view(count, channels, height, width)
    x, y = torch.cat([left, left + w], 1) / width, torch.cat([top, top + h], 1) / height
    box = torch.stack([x, y], 2).flatten(1) * 2 - 1
    return Scenes(image, split.labels[index], box, index)


SCENES: dict[str, Callable[..., Scenes]] = {
    "plain": plain,
    "translated": translated,
    "cluttered": cluttered,
}


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


def _sides(canvas: Size) -> tuple[int, int]:
    return (canvas, canvas) if isinstance(canvas, int) else (canvas[0], canvas[1])


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
