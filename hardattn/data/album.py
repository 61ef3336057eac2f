"""Pictures of any sizes, each as it is: their pixels one picture after the other, uint8, once.

Nothing is scaled, and nothing is padded to the largest. Where memory is short the pixels lie in a
file without a name, which the system lets go of with the process, and are read where one looks.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hardattn.data.idx import DataError
from hardattn.data.images import Record, by, content_of, pixels, sides
from hardattn.data.memory import free


class Album:
    """N pictures of (C, h, w) each, of which every channel lies row after row.

    Args:
        pixels: (M,) uint8, of all pictures, and perhaps of others.
        start: (N,) int64, where each begins.
        extent: (N, 2) int64, its width and height.
        plane: (N,) int64, from one of its channels to the next; 0 of a grey one among coloured,
            which is kept once.
        channels: C.
        largest: The height and width of which none of all is higher or wider: those that share
            this album, and not of these N alone.
    """

    def __init__(
        self,
        pixels: Tensor,
        start: Tensor,
        extent: Tensor,
        plane: Tensor,
        channels: int,
        largest: tuple[int, int],
    ):
        self.pixels, self.start, self.extent, self.plane = pixels, start, extent, plane
        self.channels, self.largest = channels, largest

    def __len__(self) -> int:
        return len(self.start)

    def __getitem__(self, index: Any) -> "Album":
        """Some of them, of the same pixels, which are not copied."""
        if isinstance(index, np.ndarray):
            index = torch.from_numpy(index)
        if isinstance(index, Tensor):
            index = index.to(self.start.device)
        start, extent, plane = (field[index] for field in (self.start, self.extent, self.plane))
        return Album(self.pixels, start, extent, plane, self.channels, self.largest)

    @property
    def shape(self) -> torch.Size:
        """(N, C, H, W), as if all were as high and as wide as the largest."""
        return torch.Size((len(self), self.channels, *self.largest))

    @property
    def smallest(self) -> tuple[int, int, int]:
        """(C, h, w): none is lower, and none narrower."""
        width, height = self.extent.amin(0).tolist()
        return self.channels, height, width

    @property
    def device(self) -> torch.device:
        """Where the pixels are."""
        return self.pixels.device

    @property
    def nbytes(self) -> int:
        """Bytes that these N take."""
        return sum(map(len, self._own()))

    def each(self) -> Iterator[Tensor]:
        """One after the other, (C, h, w) uint8; views, of which nothing is copied."""
        for own, (width, height) in zip(self._own(), self.extent.tolist(), strict=True):
            yield own.view(-1, height, width).expand(self.channels, -1, -1)

    def to(self, device: torch.device | str) -> "Album":
        """The same on another device, where only these N are."""
        if self.device == torch.device(device):
            return self
        own = [*self._own()]
        ends = torch.tensor([0, *map(len, own)]).cumsum(0)
        start, extent, plane = (field.to(device) for field in (ends[:-1], self.extent, self.plane))
        whole = torch.empty(sum(map(len, own)), dtype=torch.uint8, device=device)
        for first, last, each in zip(ends, ends[1:], own, strict=False):
            whole[first:last] = each
        return Album(whole, start, extent, plane, self.channels, self.largest)

    def _own(self) -> Iterator[Tensor]:
        """All pixels of each picture."""
        grey = (self.plane == 0).tolist()
        area = self.extent.prod(1).tolist()
        for start, size, once in zip(self.start.tolist(), area, grey, strict=True):
            yield self.pixels[start : start + size * (1 if once else self.channels)]


def collected(records: Sequence[Record]) -> tuple[Album, NDArray[np.uint64]]:
    """The pictures, grey where every one is, and a hash of the content of each.

    They are decoded one by one into the place where they stay. Raises DataError where one cannot
    be read, or there is room for them neither in memory nor in the cache.
    """
    heads = [sides(record) for record in records]
    flat = _room(len(records), 3 * sum(height * width for height, width in heads))
    starts, contents, coloured, done = [], [], [], 0
    for record, head in zip(records, heads, strict=True):
        array = pixels(record)
        if array.shape[:2] != head:
            raise DataError(f"{record.where}: {by(array.shape[:2])}, which it was not a moment ago")
        contents.append(content_of(array))
        coloured.append(array.ndim == 3)
        starts.append(done)
        planes = array.transpose(2, 0, 1) if coloured[-1] else array
        flat[done : done + array.size].reshape(planes.shape)[...] = planes
        done += array.size
    extent = torch.tensor(heads).flip(1)
    plane = torch.tensor(coloured) * extent.prod(1)
    largest = int(extent[:, 1].max()), int(extent[:, 0].max())
    channels = 3 if any(coloured) else 1
    whole = torch.from_numpy(flat[:done])
    album = Album(whole, torch.tensor(starts), extent, plane, channels, largest)
    return album, np.array(contents, np.uint64)


def _room(count: int, needed: int) -> NDArray[np.uint8]:
    """So many bytes: of memory, where half of what is free is enough, else of a file."""
    there = free(torch.device("cpu"))
    if there is None or 2 * needed <= there:
        return np.empty(needed, np.uint8)
    top = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "hardattn"
    try:
        top.mkdir(parents=True, exist_ok=True)
        left = shutil.disk_usage(top).free
        if needed > left:
            raise DataError(
                f"{count:,} images as they are need {needed / 2**30:,.1f} GiB, of which half of "
                f"the free memory is too little, and {left / 2**30:,.1f} GiB is free in {top}: "
                "set XDG_CACHE_HOME to another disk, or choose a size, as @96"
            )
        with tempfile.TemporaryFile(dir=top) as file:
            return np.memmap(file, np.uint8, "w+", shape=(needed,))
    except OSError as fault:
        raise DataError(f"{top}: {fault.strerror or fault}; make it writable") from fault
