"""How a picture of any size becomes one of the size wanted, and where its boxes are then."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from hardattn.data.album import Album, collected
from hardattn.data.idx import DataError
from hardattn.data.images import Record, by, content_of, in_colour, pixels, sides
from hardattn.data.memory import free

Size = tuple[int, int]  # height, width
STEP, MOST = (
    8,
    96,
)  # pixels: sides that are found in the data are multiples of one, at most the other


class Window(NamedTuple):
    """Where a picture lies in the one that it becomes: (x, y) goes to x * across + left, ...

    In pixels of either, counted from the outer corner at top left.
    """

    down: float
    across: float
    top: float
    left: float

    def boxes(self, boxes: NDArray[np.float64], size: Size) -> NDArray[np.float64]:
        """(M, 4) x0, y0, x1, y1 in pixels -> (M, 4) in coordinates of places, cut at the borders.

        size: of the picture that it became. What lies outside of it is NaN, as one that is not
        there.
        """
        height, width = size
        scale = np.array([self.across, self.down] * 2)
        moved = boxes * scale + np.array([self.left, self.top] * 2)
        moved = moved.clip(0, np.array([width, height] * 2))
        gone = (moved[:, 2] <= moved[:, 0]) | (moved[:, 3] <= moved[:, 1])
        return np.where(gone[:, None], np.nan, moved / np.array([width, height] * 2) * 2 - 1)


def letterbox(picture: Size, size: Size) -> Window:
    """All of it, as large as fits, in the middle; black beside it."""
    scale = min(size[0] / picture[0], size[1] / picture[1])
    return _centred(picture, size, scale)


def crop(picture: Size, size: Size) -> Window:
    """Its middle, as much of it as has the proportions wanted."""
    scale = max(size[0] / picture[0], size[1] / picture[1])
    return _centred(picture, size, scale)


def squash(picture: Size, size: Size) -> Window:
    """All of it, height and width each made to fit, so that proportions change."""
    return Window(size[0] / picture[0], size[1] / picture[1], 0.0, 0.0)


def pad(picture: Size, size: Size) -> Window:
    """Its own pixels, unchanged, in the middle; black beside it, and what is too large is cut."""
    top, left = ((wanted - own) // 2 for wanted, own in zip(size, picture, strict=True))
    return Window(1.0, 1.0, float(top), float(left))


# By which rule; what it is called in words.
FITS = {"letterbox": letterbox, "crop": crop, "squash": squash, "pad": pad}
SAID = {"letterbox": "letterboxed", "crop": "cropped", "squash": "squashed", "pad": "padded"}
ORIGINAL = "original"  # by no rule: each stays as it is, of whatever size


def fitted(
    array: NDArray[np.uint8], size: Size, how: str = "letterbox"
) -> tuple[NDArray[np.uint8], Window]:
    """(H, W) or (H, W, 3) uint8 -> the same of that height and width, and where it lies there.

    how: a row of FITS. Where pixels become fewer they are averaged, bilinearly weighted.
    """
    from PIL import Image

    window = FITS[how](array.shape[:2], size)
    if array.shape[:2] == size:
        return array, window
    down, across, top, left = window
    if how == "pad":
        scaled = array
    else:
        extent = [round(array.shape[1] * across), round(array.shape[0] * down)]
        wide, high = (max(1, side) for side in extent)
        scaled = np.asarray(Image.fromarray(array).resize((wide, high), Image.Resampling.BILINEAR))
    made = np.zeros((*size, *array.shape[2:]), np.uint8)
    here, there = zip(*map(_overlap, scaled.shape[:2], size, (top, left)), strict=True)
    made[there] = scaled[here]
    return made, window


class Ask(NamedTuple):
    """How pictures are to be made equal: what stands behind @ in the name of a dataset."""

    size: Size | None = None  # None: that of the data
    how: str = ""  # a row of FITS, or ORIGINAL; "": squashed to a size, if given, else letterboxed
    boxes: str = ""  # a file that says where the targets are

    def target(self, records: Sequence[Record]) -> tuple[Size | None, str, str]:
        """The size for these pictures, by which rule, and what is to be said of it.

        No size where all have the same, which stays. Else, where none is given, that of the largest
        for a rule that keeps pixels; for others the median of their sides, both scaled down if one
        is long.
        """
        if self.size is not None:
            return self.size, self.how or "squash", ""
        found = np.array([sides(record) for record in records])
        kinds = len(np.unique(found, axis=0))
        if kinds == 1:
            return None, self.how or "letterbox", ""
        how = self.how or "letterbox"
        if how == "pad":
            high, wide = (int(side) for side in found.max(0))
        else:
            middle = np.median(found, 0)
            middle = middle * min(1.0, MOST / middle.max())
            high, wide = (max(2 * STEP, STEP * round(side / STEP)) for side in middle)
        said = f"{len(records)} images of {kinds} sizes, {SAID[how]} to {wide} x {high} pixels"
        return (high, wide), how, said


class Stack(NamedTuple):
    """Pictures of one size, or as they are."""

    images: NDArray[np.uint8] | Album  # (N, C, H, W)
    content: NDArray[np.uint64]  # (N,) a hash of what each was before
    boxes: NDArray[np.float64] | None  # (N, M, 4) in coordinates of places; NaN where there is none
    said: str  # what was done to them, in words


def stacked(
    records: Sequence[Record], ask: Ask, boxes: Sequence[NDArray[np.float64]] | None = None
) -> Stack:
    """The pictures, grey where every one is, with the boxes that were around their targets.

    boxes: of each picture (m, 4), x0, y0, x1, y1 in its pixels, as a viewer shows it.
    """
    if ask.how == ORIGINAL:
        return _as_they_are(records, ask, boxes)
    size, how, said = ask.target(records)
    _refuse(len(records), size)
    arrays: list[NDArray[np.uint8]] = []
    contents, moved = [], []
    for number, record in enumerate(records):
        array = pixels(record)
        contents.append(content_of(array))
        made, window = fitted(array, size or array.shape[:2], how)
        if arrays and made.shape[:2] != arrays[0].shape[:2]:
            raise DataError(f"{record.where}: {by(made.shape[:2])}, which it was not a moment ago")
        arrays.append(made)
        if boxes is not None:
            moved.append(window.boxes(boxes[number], made.shape[:2]))
    content = np.array(contents, np.uint64)
    held = None if boxes is None else _ragged(moved)
    if all(array.ndim == 2 for array in arrays):
        return Stack(np.stack(arrays)[:, None], content, held, said)
    colour = np.stack([in_colour(array) for array in arrays])
    return Stack(np.ascontiguousarray(colour.transpose(0, 3, 1, 2)), content, held, said)


def _as_they_are(
    records: Sequence[Record], ask: Ask, boxes: Sequence[NDArray[np.float64]] | None
) -> Stack:
    if ask.size is not None:
        raise DataError(
            f"{by(ask.size[::-1])} pixels and {ORIGINAL}: a picture has one size or its own; leave "
            "one of them out"
        )
    album, content = collected(records)
    sizes = [(height, width) for width, height in album.extent.tolist()]
    there = None
    if boxes is not None:
        own = [pad(size, size).boxes(each, size) for each, size in zip(boxes, sizes, strict=True)]
        there = _ragged(own)
    low, narrow = album.smallest[1:]
    high, wide = album.largest
    between = f"{wide} x {high} pixels"
    if len({*sizes}) > 1:
        between = f"{len({*sizes})} sizes, {narrow} to {wide} x {low} to {high} pixels"
    return Stack(album, content, there, f"{len(sizes)} images as they are, {between}")


def _refuse(count: int, size: Size | None) -> None:
    """Raise DataError, with the sizes, where there is no memory for so many in colour."""
    needed, there = count * 3 * int(np.prod(size or (0, 0))), free(torch.device("cpu"))
    if size is not None and there is not None and 2 * needed > there:  # as arrays, and stacked
        raise DataError(
            f"{count:,} images of {by(size[::-1])} pixels need {2 * needed / 2**30:,.1f} GiB of "
            f"memory, and {there / 2**30:,.1f} GiB is free: choose a smaller size, as @{MOST}"
        )


def _ragged(several: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """(m, 4) each -> (N, M, 4), with NaN where one has fewer than another; M at least 1."""
    most = max([1, *map(len, several)])
    whole = np.full((len(several), most, 4), np.nan)
    for row, boxes in zip(whole, several, strict=True):
        row[: len(boxes)] = boxes
    return whole


def _centred(picture: Size, size: Size, scale: float) -> Window:
    top, left = (
        (wanted - round(own * scale)) // 2 for own, wanted in zip(picture, size, strict=True)
    )
    return Window(scale, scale, float(top), float(left))


def _overlap(length: int, room: int, start: float) -> tuple[slice, slice]:
    """Which part of a side is seen, and where it lies."""
    first = int(start)
    seen = min(length + first, room) - max(first, 0)
    return slice(max(-first, 0), max(-first, 0) + seen), slice(max(first, 0), max(first, 0) + seen)
