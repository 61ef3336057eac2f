"""Where scenes are put together: images and pieces of images, added up at drawn places."""

import torch
from torch import Tensor

from hardattn import rng
from hardattn.data import Split
from hardattn.rng import Generator
from hardattn.scenes.sprites import AWAY, LARGE, Kind, Sprites, Stage

Size = int | tuple[int, int]
CELLS = 3  # rows and columns of cells, where each image has one of its own


class Canvas:
    """Scenes in the making: what lies on them, piece after piece, and the draws that put it there.

    Whatever is added is cut off at 255 where it lies, which comes to the same as clamping the sum.
    """

    def __init__(self, split: Split, index: Tensor, generator: Generator | None, canvas: Size):
        self.split, self.generator, self.device = split, generator, index.device
        self.images = split.stacked
        self.height, self.width = (canvas, canvas) if isinstance(canvas, int) else canvas
        self.count = len(index)
        self.kinds: list[Kind] = []
        self.pieces: list[tuple[Tensor, Tensor, Tensor]] = []  # the fields of Sprites

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

    def of_its_class(self, index: Tensor, count: int) -> Tensor:
        """(B, count): uniform images of the class of image `index`, itself among them."""
        order, size, before, _ = self.split.by_class
        label = self.split.labels[index][:, None]
        rank = self.below(2**31, self.count, count) * size[label] >> 31
        return order[before[label] + rank]

    def fits(self, zoom: int, digits: int = 1, gap: int = 0) -> tuple[int, int]:
        """Height and width of a zoomed image; raises where a row of them does not fit."""
        h, w = (side * zoom for side in self.images.shape[2:])
        row = digits * w + (digits - 1) * gap
        if h > self.height or row > self.width:
            what = "an image" if digits == 1 else f"a row of {digits} images"
            raise ValueError(
                f"{what} of {h}x{row} pixels does not fit a canvas of {self.height}x{self.width}"
            )
        return h, w

    def in_cells(self, zoom: int, many: int) -> tuple[Tensor, Tensor, Tensor]:
        """Cells of CELLS x CELLS for so many zoomed images, and where these begin: (B, many) each.

        Cells are drawn without replacement, places within them uniformly. Raises ValueError where
        an image does not fit a cell.
        """
        h, w = self.fits(zoom)
        high, wide = self.height // CELLS, self.width // CELLS
        if h > high or w > wide:
            raise ValueError(f"an image of {h}x{w} pixels does not fit a cell of {high}x{wide}")
        cell = self.below(2**31, self.count, CELLS**2).argsort(1)[:, :many]
        top = cell // CELLS * high + self.below(high - h + 1, self.count, many)
        left = cell % CELLS * wide + self.below(wide - w + 1, self.count, many)
        return cell, top, left

    def clutter(self, pieces: int, piece: int, zoom: int, among: Tensor | None = None) -> None:
        """Add random crops of random images at random places.

        among: the numbers of those images, (n,); by default all of the split.
        """
        h, w = self.fits(zoom)
        if not pieces:
            return
        if piece > min(h, w):
            raise ValueError(f"a piece of {piece} pixels cannot be cut from an image of {h}x{w}")
        many = (self.count, pieces)
        source = self.below(len(self.split if among is None else among), *many)
        if among is not None:
            source = among[source]
        y, x = self.below(h - piece + 1, *many), self.below(w - piece + 1, *many)
        top = self.below(self.height - piece + 1, *many)
        left = self.below(self.width - piece + 1, *many)
        self._add(Kind(pieces, piece, piece, zoom), source, (x, y), (left, top))

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
            if len(zooms) == 1:
                return self.paste(index[:, None], top, left, zoom)[:, 0]
            chosen = which == number
            box = torch.where(
                chosen, self.paste(index[:, None], top, left, zoom, chosen)[:, 0], box
            )
        return box

    def paste(
        self, index: Tensor, top: Tensor, left: Tensor, zoom: int, there: Tensor | None = None
    ) -> Tensor:
        """Add (B, n) whole images, or those that are `there`; the boxes of all, (B, n, 4)."""
        h, w = self.fits(zoom)
        start = torch.zeros_like(top)
        kind = Kind(index.shape[1], h, w, zoom)
        self._add(kind, index, (start, start), (left, top), there)
        x, y = torch.stack([left, left + w]) / self.width, torch.stack([top, top + h]) / self.height
        return torch.stack([x[0], y[0], x[1], y[1]], -1) * 2 - 1

    def _add(
        self,
        kind: Kind,
        source: Tensor,
        cut: tuple[Tensor, Tensor],
        place: tuple[Tensor, Tensor],
        there: Tensor | None = None,
    ) -> None:
        at = torch.stack(place, -1)
        if there is not None:
            at = torch.where(there[..., None], at, AWAY)
        self.kinds.append(kind)
        self.pieces.append((source.int(), torch.stack(cut, -1).int(), at.int()))

    def sprites(self) -> Sprites:
        """The scenes as lists of what lies on them."""
        source, cut, place = (torch.cat(each, 1) for each in zip(*self.pieces, strict=True))
        stage = Stage(self.images, self.kinds, self.height, self.width)
        return Sprites(source, cut, place, stage)

    def picture(self) -> Tensor | Sprites:
        """The scenes, painted if they are small: (B, C, H, W) uint8."""
        sprites = self.sprites()
        return sprites.painted() if self.height * self.width <= LARGE else sprites
