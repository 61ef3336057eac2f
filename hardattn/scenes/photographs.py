"""Scenes that are photographs of any sizes, as they are: what a window on each of them shows.

Places are of each picture: from -1 to 1 over its own width and height. So are windows, in its own
pixels. Those who see everything are shown all in one size, that of the largest, onto which each is
stretched, so that a place is the same place there.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from hardattn.data.album import Album
from hardattn.scenes.sprites import parted, taken

STRIP = 2**20  # pixels of a picture that are read at a time: an index takes eight bytes for each


class Photographs(NamedTuple):
    """B pictures of an album."""

    start: Tensor  # (B,) int64, where the pixels of each begin
    plane: Tensor  # (B,) int64, from one of its channels to the next
    extent: Tensor  # (B, 2) int64, its width and height
    album: Album

    @classmethod
    def of(cls, album: Album, index: Tensor) -> "Photographs":
        """Those of these numbers, (B,), on the device of the numbers."""
        own = album[index]
        return cls(own.start, own.plane, own.extent, album).to(index.device)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(B, C, H, W), as those have it who see everything."""
        return len(self.start), *self.album.shape[1:]

    def rows(self, start: int, stop: int) -> "Photographs":
        """The scenes from `start` up to `stop`."""
        begin, plane, extent = (field[start:stop] for field in self[:3])
        return Photographs(begin, plane, extent, self.album)

    def over(self, images: Album) -> "Photographs":
        """The same scenes of an album of the same pixels, which lie elsewhere."""
        return self._replace(album=images)

    def moved(self, device: torch.device | str) -> "Photographs":
        """The same scenes on another device; their pixels stay where they are."""
        start, plane, extent = (field.to(device) for field in self[:3])
        return Photographs(start, plane, extent, self.album)

    def to(self, device: torch.device | str) -> "Photographs":
        """As `moved`: only what is looked at moves."""
        return self.moved(device)

    def patches(self, corner: Tensor, side: int) -> Tensor:
        """What lies in a square window on each scene: (B, C, side, side) uint8.

        corner: (B, 2) int32, x and y of its first pixel. Outside the picture there is nothing.
        """
        return parted(Photographs._read, self, corner, side, side**2)

    def _read(self, corner: Tensor, side: int) -> Tensor:
        asked = corner[..., None] + torch.arange(side, device=corner.device)
        there = torch.minimum(asked.clamp(min=0), self.extent[..., None] - 1)
        outside = there != asked
        seen = self._pixels(*there.unbind(1))
        return seen.masked_fill_((outside[:, 0, None] | outside[:, 1, :, None])[:, None], 0)

    def _pixels(self, column: Tensor, row: Tensor) -> Tensor:
        """(B, w) columns, (B, h) rows -> (B, C, h, w), what is in the pictures there."""
        line = self.start[:, None] + row * self.extent[:, :1]
        plane = self.plane[:, None] * torch.arange(self.shape[1], device=row.device)
        where = (plane[:, :, None] + line[:, None])[..., None] + column[:, None, None]
        return taken(self.album.pixels, where)

    def painted(self) -> Tensor:
        """The pictures stretched to the size of the largest: (B, C, H, W) uint8.

        Pixels are doubled, or left out, and none is mixed with another; what has that size is as
        it is.
        """
        height, width = self.shape[2:]
        whole = torch.empty(self.shape, dtype=torch.uint8, device=self.start.device)
        for one, into in zip(self._each(), whole, strict=True):
            for rows, strip in one._strips(height, width):
                into[:, rows] = strip[0]
        return whole

    def averaged(self, height: int, width: int) -> Tensor:
        """The pictures in less pixels, each the mean of those in it: (B, C, h, w), from 0 to 255.

        A picture that has not as many is stretched. Nothing is held of it but some rows at a time.
        """
        parts = [_averaged(one, height, width) for one in self._each()]
        kind, device = torch.get_default_dtype(), self.start.device
        nothing = torch.zeros(0, self.shape[1], height, width, dtype=kind, device=device)
        return torch.cat(parts or [nothing])

    def _each(self) -> Iterator["Photographs"]:
        """One after the other."""
        return (self.rows(at, at + 1) for at in range(len(self.start)))

    def _strips(self, height: int, width: int) -> Iterator[tuple[slice, Tensor]]:
        """Of a picture alone, stretched to that size, some rows at a time: which, and their pixels,
        (1, C, h, W).
        """
        device = self.start.device
        column, row = (
            torch.arange(side, device=device) * self.extent[:, axis : axis + 1] // side
            for axis, side in enumerate((width, height))
        )
        many = max(1, STRIP // width)
        for at in range(0, height, many):
            rows = slice(at, min(at + many, height))
            yield rows, self._pixels(column, row[:, rows])


def _averaged(one: Photographs, height: int, width: int) -> Tensor:
    """(1, C, h, w) of one picture."""
    device = one.start.device
    wide, high = (
        max(*sides) for sides in zip(one.extent[0].tolist(), (width, height), strict=True)
    )
    across = torch.arange(wide, device=device) * width // wide
    down = torch.arange(high, device=device) * height // high
    sums = torch.zeros(1, one.shape[1], height, width, dtype=torch.int64, device=device)
    for rows, strip in one._strips(high, wide):
        narrow = sums.new_zeros(*strip.shape[:3], width).index_add_(3, across, strip.long())
        sums.index_add_(2, down[rows], narrow)
    each = [cells.bincount(minlength=side) for cells, side in ((down, height), (across, width))]
    return (sums / (each[0][:, None] * each[1])).to(torch.get_default_dtype())
