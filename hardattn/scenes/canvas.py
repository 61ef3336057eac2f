"""Where scenes are put together: images and pieces of images, added up at drawn places.

A canvas takes one byte a pixel, and whatever is added to it touches only the pixels where it lies:
what exceeds 255 is cut off at each addition, which comes to the same as cutting off their sum.
"""

import torch
from torch import Tensor

from hardattn import rng
from hardattn.data import Split
from hardattn.rng import Generator

Size = int | tuple[int, int]


class Canvas:
    """Scenes in the making: (B, C, H, W) uint8, and the draws that make them.

    ground: what lies there already, (B, C, H, W), which stays as it is; by default all is black.
    """

    def __init__(
        self,
        split: Split,
        index: Tensor,
        generator: Generator | None,
        canvas: Size,
        ground: Tensor | None = None,
    ):
        self.split, self.generator, self.device = split, generator, index.device
        self.height, self.width = (canvas, canvas) if isinstance(canvas, int) else canvas
        self.count, self.channels = len(index), split.images.shape[1]
        size = (self.count, self.channels, self.height, self.width)
        blank = torch.zeros(size, dtype=torch.uint8, device=index.device)
        self.image = blank if ground is None else blank + ground

    def below(self, bound: int, *shape: int) -> Tensor:
        """Uniform integers from 0 up to bound - 1."""
        return rng.below(bound, shape, self.generator, self.device)

    def of_other_classes(self, index: Tensor, count: int) -> Tensor:
        """(B, count): uniform images among those whose class is not that of image `index`."""
        order, size, before, several = self.split.by_class
        if not several:
            raise ValueError("a search needs images of two classes at least")
        label = self.split.labels[index][:, None]
        rank = self.below(2**31, self.count, count) * (len(order) - size[label]) >> 31
        return order[torch.where(rank < before[label], rank, rank + size[label])]

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
        add(self.image, crops, top, left)

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
        add(self.image, images * there[..., None, None, None], top, left)
        x, y = torch.stack([left, left + w]) / self.width, torch.stack([top, top + h]) / self.height
        return torch.stack([x[0], y[0], x[1], y[1]], -1) * 2 - 1


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


def add(canvas: Tensor, patches: Tensor, top: Tensor, left: Tensor) -> None:
    """Add (B, n, C, h, w) patches to (B, C, H, W) canvases at (B, n) places, one after the other.

    All are uint8, and 255 is the most that a pixel becomes.
    """
    flat, (count, channels, height, width) = canvas.view(-1), canvas.shape
    y = top[..., None] + torch.arange(patches.shape[3], device=top.device)
    x = left[..., None] + torch.arange(patches.shape[4], device=top.device)
    plane = torch.arange(count * channels, device=top.device).view(-1, 1, channels, 1, 1) * height
    where = (plane + y[:, :, None, :, None]) * width + x[:, :, None, None, :]
    # Within a patch no pixel comes twice, so that none is read before it is written.
    for patch, pixel in zip(patches.unbind(1), where.unbind(1), strict=True):
        pixel = pixel.reshape(-1)
        below = flat.index_select(0, pixel)
        above = torch.minimum(patch.reshape(-1), ~below)  # ~ is 255 less that
        flat.scatter_(0, pixel, below.add_(above))
