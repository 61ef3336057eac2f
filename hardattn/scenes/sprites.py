"""Scenes that nobody has painted: which images lie where, and what a window on them shows.

On a large canvas nearly everything is blank, and of what is not a look sees little. So a scene is
kept as the list of what lies on it, and whoever looks reads the images themselves, through
`Sprites.patches`, at a cost that does not depend on the canvas. `Sprites.painted` is the same scene
as pixels, for those who see everything. Both come to the same numbers.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

AWAY = -(2**24)  # where a piece lies that is not there: out of reach of every window
# Scenes of more pixels are not painted before somebody sees everything, and a retina cuts windows
# from them: to paint and to sum them costs more than to look at them a few times.
LARGE = 128 * 128
INT32_LIMIT = 2**31  # above so many numbers an int32 index would wrap
TOGETHER = 2**22  # pixels of pieces that are read at a time: an index takes eight bytes for each
INDEX_LIMIT = (
    2**30
)  # above so many numbers an int32 index into them has no room for what is outside
PAINTING = 3  # how many pixels are looked up at the cost of one that is added to a window


class Kind(NamedTuple):
    """Pieces alike: how many a scene has, their height and width there, and how they are zoomed."""

    number: int
    height: int
    width: int
    zoom: int = 1


class Stage:
    """What scenes of a batch share: the images they show, the kinds of their pieces, the canvas.

    images: (N, C, h, w) uint8, where they are: a look moves only what it sees. kinds: of which the
    pieces of a scene are, in their order. height, width: of the canvas.
    """

    def __init__(self, images: Tensor, kinds: Sequence[Kind], height: int, width: int):
        self.images, self.kinds = images, tuple(kinds)
        self.height, self.width = height, width
        self.pieces = sum(kind.number for kind in kinds)
        self.pixels = sum(kind.number * kind.height * kind.width for kind in kinds)


class Sprites(NamedTuple):
    """B scenes of n pieces each, which are added up in their order and clamped; all else is blank.

    A piece is a rectangle cut from an image, after each of its pixels became `zoom` pixels a side.
    It lies wholly on the canvas, or is AWAY.
    """

    source: Tensor  # (B, n) int32, which images of the stage
    cut: Tensor  # (B, n, 2) int32, x and y in the zoomed image where the piece begins
    place: Tensor  # (B, n, 2) int32, x and y on the canvas where it lies
    stage: Stage

    @classmethod
    def of(cls, images: Tensor) -> "Sprites":
        """(B, C, H, W) uint8 scenes that are pixels, to be read through windows."""
        height, width = images.shape[2:]
        source = torch.arange(len(images), dtype=torch.int32, device=images.device)[:, None]
        nought = source.new_zeros(len(images), 1, 2)
        return cls(source, nought, nought, Stage(images, [Kind(1, height, width)], height, width))

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(B, C, H, W), as the painted scenes have it."""
        stage = self.stage
        return len(self.source), stage.images.shape[1], stage.height, stage.width

    @property
    def extent(self) -> None:
        """Of its own has none: all are as high and as wide as the canvas."""

    @property
    def nbytes(self) -> int:
        """Bytes of what is kept of these scenes, without the images, which are kept anyway."""
        return self.source.nbytes + self.cut.nbytes + self.place.nbytes

    def rows(self, start: int, stop: int) -> "Sprites":
        """The scenes from `start` up to `stop`."""
        source, cut, place = (field[start:stop] for field in self[:3])
        return Sprites(source, cut, place, self.stage)

    def over(self, images: Tensor) -> "Sprites":
        """The same scenes of the same images, which lie elsewhere."""
        stage = Stage(images, self.stage.kinds, self.stage.height, self.stage.width)
        return Sprites(self.source, self.cut, self.place, stage)

    def moved(self, device: torch.device | str) -> "Sprites":
        """The same scenes on another device; their images stay where they are."""
        source, cut, place = (field.to(device) for field in self[:3])
        return Sprites(source, cut, place, self.stage)

    def to(self, device: torch.device | str) -> "Sprites":
        """The same scenes on another device, and of the images only those that they show."""
        if self.source.device == torch.device(device):
            return self
        shown, source = self.source.unique(return_inverse=True)
        images = self.stage.images.index_select(0, shown.to(self.stage.images.device)).to(device)
        return self._replace(source=source.int()).moved(device).over(images)

    def patches(self, corner: Tensor, side: int) -> Tensor:
        """What lies in a square window on each scene: (B, C, side, side) integers, 0 to 255.

        corner: (B, 2) int32, x and y of its first pixel. Outside the canvas there is nothing.
        """
        stage = self.stage
        read, summed = stage.pieces * side**2, stage.pixels
        look = Sprites._read
        if read > side**2 + PAINTING * summed:
            look, read = Sprites._summed, summed
        return parted(look, self, corner, side, read)

    def averaged(self, height: int, width: int) -> Tensor:
        """The scenes in less pixels, each the mean of those in it: (B, C, h, w), from 0 to 255.

        As of the painted scenes, and nobody paints them: it takes what the pieces have in pixels.
        """
        many = max(1, TOGETHER // max(1, self.stage.pixels * self.shape[1]))
        starts = range(0, len(self.source), many)
        parts = [self.rows(at, at + many)._averaged(height, width) for at in starts]
        return torch.cat(parts) if parts else torch.zeros(0, self.shape[1], height, width)

    def painted(self, ground: Tensor | None = None) -> Tensor:
        """The scenes as pixels: (B, C, H, W) uint8.

        ground: what the pieces are added to, (B, C, H, W) uint8, and stays as it is; else blank.
        """
        stage, kinds = self.stage, self.stage.kinds
        kind = kinds[0]
        whole = (kind.height, kind.width) == (stage.height, stage.width)
        if whole and stage.pieces == 1 and ground is None:
            images = stage.images.index_select(0, self.source[:, 0].to(stage.images.device))
            images = images.to(self.source.device)
            if kind.zoom > 1:
                images = images.repeat_interleave(kind.zoom, -1).repeat_interleave(kind.zoom, -2)
            return images
        blank = torch.zeros(self.shape, dtype=torch.uint8, device=self.source.device)
        canvas = blank if ground is None else blank + ground
        most = stage.images.shape[1] * max(each.number * each.height * each.width for each in kinds)
        many = max(1, TOGETHER // max(1, most))
        for start in range(0, len(canvas), many):
            self.rows(start, start + many)._add(canvas[start : start + many])
        return canvas

    def _read(self, corner: Tensor, side: int) -> Tensor:
        """A window, read from the images: of each piece what it adds there."""
        images = self.stage.images
        whole = torch.int64 if images.numel() > INDEX_LIMIT else torch.int32
        plan = _plan(self.stage.kinds, images.shape[1:], side, whole, self.source.device)
        # Where the window's pixels lie in the pieces, (B, n, 2, side), and whether they do.
        asked = (corner[:, None] - self.place)[..., None] + plan.steps
        there = torch.minimum(asked.clamp(min=0), plan.last)
        outside = there != asked
        there = there + self.cut[..., None]
        if plan.zoom is not None:
            there = there.div(plan.zoom, rounding_mode="floor")
        # Of what lies outside the index is negative: an outer row or column makes it so.
        x, y = there.to(whole).unbind(2)
        line = torch.addcmul((self.source.to(whole) * plan.image)[..., None], y, plan.row)
        line = line.masked_fill(outside[:, :, 1], plan.outside)
        x = x.masked_fill(outside[:, :, 0], plan.outside)
        where = line[:, :, None, :, None] + plan.channel + x[:, :, None, None, :]
        seen = taken(images, where.clamp(min=0)) * (where >= 0)
        if self.stage.pieces == 1:
            return seen[:, 0]
        sums = torch.int16 if self.stage.pieces <= 128 else torch.int32
        return seen.sum(1, dtype=sums).clamp_(max=255)

    def _summed(self, corner: Tensor, side: int) -> Tensor:
        """A window, onto which the pieces are added: its numbers are many, and pieces are few."""
        count, channels, device = len(self.source), self.shape[1], self.source.device
        # Blank beside the window takes what falls outside it: as much as a piece is wide and high.
        # To its right lies the blank that the next row starts with.
        beside = max(kind.width for kind in self.stage.kinds)
        above = max(kind.height for kind in self.stage.kinds)
        wide, high = side + beside, side + 2 * above + 1
        sums = torch.int16 if self.stage.pieces <= 128 else torch.int32
        flat = torch.zeros(count * channels * high * wide, dtype=sums, device=device)
        x, y = (self.place - corner[:, None]).permute(2, 1, 0).long().contiguous()
        plane = torch.arange(count * channels, device=device).view(count, channels) * (high * wide)
        for own, kind in self._kinds():
            # A piece that lies further out falls where nothing of it is seen, either.
            line = (y[own].clamp(-kind.height, side) + above) * wide
            first = line + x[own].clamp(-kind.width, side) + beside
            where = (plane + first[..., None])[..., None] + _offsets(kind, wide, device)
            flat.scatter_add_(0, where.view(-1), self._pixels(own, kind).view(-1).to(sums))
        whole = flat.view(count, channels, high, wide)
        return whole[..., above : above + side, beside:].clamp(max=255)

    def _add(self, canvas: Tensor) -> None:
        """Add the pieces to (B, C, H, W) uint8 canvases, one after the other."""
        (count, channels, height, width), device = canvas.shape, canvas.device
        flat = canvas.view(-1)
        # Of what is AWAY nothing is added, to the first pixel.
        x, y = self.place.permute(2, 1, 0).long().contiguous()
        there = (x >= 0).view(torch.uint8)[:, :, None, None, None]
        plane = torch.arange(count * channels, device=device).view(count, channels) * height
        for own, kind in self._kinds():
            down, across = (
                (at[own, :, None] + torch.arange(length, device=device)).clamp_(min=0)
                for at, length in ((y, kind.height), (x, kind.width))
            )
            line = (plane[..., None] + down[:, :, None]).mul_(width)
            where = line[..., None] + across[:, :, None, None, :]
            pieces = self._pixels(own, kind) * there[own]
            # Within a piece no pixel comes twice, so that none is read before it is written.
            for piece, pixel in zip(pieces.flatten(1), where.flatten(1), strict=True):
                below = flat.index_select(0, pixel)
                # ~ is 255 less that.
                flat.scatter_(0, pixel, below.add_(torch.minimum(piece, ~below)))

    def _averaged(self, height: int, width: int) -> Tensor:
        (count, channels, rows, columns), device = self.shape, self.source.device
        at, values = [], []
        x, y = self.place.permute(2, 1, 0).long().contiguous()
        for own, kind in self._kinds():
            down = y[own, :, None] + torch.arange(kind.height, device=device)
            across = x[own, :, None] + torch.arange(kind.width, device=device)
            where = down[..., None] * columns + across[:, :, None]
            where = where.masked_fill((x[own] < 0)[..., None, None], rows * columns)
            at.append(where.transpose(0, 1).flatten(1))
            values.append(self._pixels(own, kind).permute(1, 2, 0, 3, 4).flatten(2))
        # What falls on one pixel is next to each other, once sorted, and is cut off as a sum.
        where, order = torch.cat(at, 1).sort(1)
        every = (count, channels, where.shape[1])
        value = torch.cat(values, 2).int().gather(2, order[:, None].expand(every))
        new = torch.ones_like(where)
        new[:, 1:] = where[:, 1:] != where[:, :-1]
        pixel = new.cumsum(1) - 1
        sums = torch.zeros_like(value).scatter_add_(2, pixel[:, None].expand(every), value)
        sums.clamp_(max=255)
        where = torch.full_like(where, rows * columns).scatter_(1, pixel, where)
        row = where.div(columns, rounding_mode="floor") * height // rows
        cell = row * width + where % columns * width // columns
        cell = cell.masked_fill(where >= rows * columns, height * width)
        whole = value.new_zeros(count, channels, height * width + 1)
        whole.scatter_add_(2, cell[:, None].expand(every), sums)
        each = [
            (torch.arange(pixels, device=device) * cells // pixels).bincount(minlength=cells)
            for pixels, cells in ((rows, height), (columns, width))
        ]
        means = whole[..., :-1].unflatten(2, (height, width)) / (each[0][:, None] * each[1])
        return means.to(torch.get_default_dtype())

    def _kinds(self) -> Iterator[tuple[slice, Kind]]:
        """Which pieces are of each kind."""
        first = 0
        for kind in self.stage.kinds:
            yield slice(first, first + kind.number), kind
            first += kind.number

    def _pixels(self, own: slice, kind: Kind) -> Tensor:
        """(n, B, C, h, w): the pixels of these pieces, which are of one kind."""
        images, device = self.stage.images, self.source.device
        channels, rows, columns = images.shape[1:]
        shape = (kind.number, len(self.source), channels, kind.height, kind.width)
        x, y = self.cut[:, own].permute(2, 1, 0).long().contiguous()
        plane = (self.source[:, own].T.long().contiguous() * (channels * rows * columns))[..., None]
        plane = plane + torch.arange(channels, device=device) * (rows * columns)
        if kind.zoom == 1:
            first = plane + (y * columns + x)[..., None]
            whole = torch.int64 if images.numel() > INDEX_LIMIT else torch.int32
            where = first.to(whole)[..., None] + _offsets(kind, columns, device).to(whole)
            return taken(images, where).view(shape)
        y = y[..., None] + torch.arange(kind.height, device=device)
        x = x[..., None] + torch.arange(kind.width, device=device)
        y, x = (each.div_(kind.zoom, rounding_mode="floor") for each in (y, x))
        line = plane[..., None] + (y * columns)[:, :, None]
        return taken(images, line[..., None] + x[:, :, None, None, :])


@lru_cache(maxsize=64)
def _offsets(kind: Kind, row: int, device: torch.device) -> Tensor:
    """(h * w,): where the pixels of a piece lie from its first, in rows of so many."""
    down, across = (torch.arange(side, device=device) for side in (kind.height, kind.width))
    return (down[:, None] * row + across).view(-1)


class _Plan(NamedTuple):
    """The numbers by which pieces of some kinds are read through a window of one size."""

    steps: Tensor  # (side,)
    last: Tensor  # (n, 2, 1) the last column and row of each piece
    zoom: Tensor | None  # (n, 1, 1); None if nothing is zoomed
    image: Tensor  # () numbers of an image
    row: Tensor  # () and of a row of it
    channel: Tensor  # (C, 1, 1) where its channels begin
    outside: int  # half of the least number that an index can be


@lru_cache(maxsize=32)
def _plan(
    kinds: tuple[Kind, ...],
    image: torch.Size,
    side: int,
    whole: torch.dtype,
    device: torch.device,
) -> _Plan:
    channels, rows, columns = image
    each = [kind for kind in kinds for _ in range(kind.number)]
    last = torch.tensor([[[kind.width - 1], [kind.height - 1]] for kind in each])
    zoom = torch.tensor([[[kind.zoom]] for kind in each])
    plane = rows * columns
    return _Plan(
        torch.arange(side, dtype=torch.int32, device=device),
        last.to(device, torch.int32),
        zoom.to(device, torch.int32) if any(kind.zoom > 1 for kind in each) else None,
        torch.tensor(channels * plane, dtype=whole, device=device),
        torch.tensor(columns, dtype=whole, device=device),
        (torch.arange(channels, dtype=whole, device=device) * plane)[:, None, None],
        torch.iinfo(whole).min // 2,
    )


def parted(
    look: Callable[[Any, Tensor, int], Tensor], scenes: Any, corner: Tensor, side: int, read: int
) -> Tensor:
    """Windows on scenes, of which not too many are looked at at a time.

    read: how many numbers a channel are looked up for each.
    """
    many = max(1, TOGETHER // max(1, read * scenes.shape[1]))
    if many >= len(corner):
        return look(scenes, corner, side)
    starts = range(0, len(corner), many)
    parts = [(scenes.rows(at, at + many), corner[at : at + many]) for at in starts]
    return torch.cat([look(part, begin, side) for part, begin in parts])


def taken(images: Tensor, where: Tensor) -> Tensor:
    """The numbers at those places of all images, flattened; only they leave the images' device."""
    index = where.view(-1).to(images.device)
    return images.reshape(-1).index_select(0, index).to(where.device).view(where.shape)
