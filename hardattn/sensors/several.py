"""Several patches of a grid at one look, each at the image's own resolution."""

import torch
from torch import Tensor
from torch.nn import functional as F

from hardattn.scenes.altered import Altered, Unpainted
from hardattn.scenes.photographs import Photographs
from hardattn.scenes.sprites import LARGE, Sprites
from hardattn.sensors.grid import Grid


class Several(Grid):
    """Patches in the middle of the chosen cells, `count` of them in a row of slots.

    A place is the slots' weights over the cells, one slot after the other: a one-hot slot shows
    the patch of its cell, any other the weighted sum of patches, and one of zeros nothing. Patches
    may be larger than cells, and then overlap, or smaller. Differentiable in the weights; of a
    scene that nobody has painted only the patches with a weight are read, and the gradients of
    the other weights are 0.

    (B, C, H, W) uint8, or sprites, (B, count * rows * columns) -> (B, count, C, side, side).

    Args:
        rows: Rows of the grid.
        columns: Columns of the grid.
        count: Patches at a look.
        side: Of a patch in pixels; none: patches are the cells, which then divide the image.
    """

    everything = False
    by_windows = True
    together = False

    def __init__(self, rows: int, columns: int, count: int = 2, side: int | None = None):
        super().__init__(rows, columns)
        if not 1 <= count <= rows * columns:
            raise ValueError(f"of {rows}x{columns} cells 1 or more are shown, not {count}")
        if side is not None and side < 1:
            raise ValueError(f"a patch has a side of at least 1 pixel, not {side}")
        self.count, self.side = count, side
        self.places = count * rows * columns

    def over(self, cells: Tensor) -> Tensor:
        """The largest weights, the largest first, a slot each; a slot without one shows nothing."""
        weight, cell = cells.topk(self.count, -1)
        slots = F.one_hot(cell, cells.shape[-1]).to(cells.dtype) * weight[..., None]
        return slots.flatten(-2)

    def density(self, place: Tensor) -> Tensor:
        return place.unflatten(-1, (self.count, self.rows, self.columns)).sum(-3)

    def shape(self, image: tuple[int, int, int]) -> tuple[int, ...]:
        return (self.count, image[0], *self._patch(image[1:]))

    def pixels(self, image: tuple[int, int, int]) -> int:
        height, width = self._patch(image[1:])
        return self.count * height * width

    def fine(self, image: tuple[int, int, int]) -> tuple[int, int]:
        height, width = self._patch(image[1:])
        return height, self.count * width

    wide = fine

    def _divided(self, height: int, width: int) -> None:
        self.cut(torch.empty(0, height, width))

    def _patch(self, image: tuple[int, int]) -> tuple[int, int]:
        if self.side is not None:
            return self.side, self.side
        return image[0] // self.rows, image[1] // self.columns

    def open(self, images: Tensor | Unpainted) -> Tensor | Sprites:
        """(B, N, C, h, w) patches of small images; of large ones, and of sprites, these."""
        if isinstance(images, Photographs | Altered):  # cells are of one size, and as they are
            images = images.painted()
        height, width = images.shape[2:]
        # Cells of a side of their own lie over each other, and may be more than the image together.
        high, wide = self._patch((height, width))
        if isinstance(images, Sprites) or self.rows * self.columns * high * wide > LARGE:
            if self.side is None:
                self._divided(height, width)
            return images if isinstance(images, Sprites) else Sprites.of(images)
        if self.side is None:
            self._divided(height, width)
            patches = images.unflatten(2, (self.rows, -1)).unflatten(4, (self.columns, -1))
            cells = patches.permute(0, 2, 4, 1, 3, 5).flatten(1, 2)
            return cells.to(torch.get_default_dtype()) / 255.0
        every = torch.arange(self.rows * self.columns, device=images.device)
        return self._read(Sprites.of(images), every.expand(len(images), -1))

    def look(self, view: Tensor | Sprites, place: Tensor) -> Tensor:
        slots = place.unflatten(1, (self.count, -1))
        if not isinstance(view, Sprites):
            seen = slots.to(view.dtype) @ view.flatten(2)
            return seen.unflatten(2, view.shape[2:])
        used = (slots != 0).any(1)
        # So many patches are read of each scene; the only number that is read back to the host.
        most = max(1, int(used.sum(1).max()))
        cells = used.byte().argsort(dim=1, descending=True, stable=True)[:, :most]
        patches = self._read(view, cells)
        weights = slots.gather(2, cells[:, None].expand(-1, self.count, -1))
        return (weights.to(patches.dtype) @ patches.flatten(2)).unflatten(2, patches.shape[2:])

    def _read(self, view: Sprites, cells: Tensor) -> Tensor:
        """(B, U) int64 cells -> (B, U, C, h, w), their patches, in [0, 1]."""
        image = view.shape[2:]
        high, wide = self._patch(image)
        column, row = cells % self.columns, torch.div(cells, self.columns, rounding_mode="floor")
        left, top = (
            torch.div((2 * at + 1) * pixels, 2 * many, rounding_mode="floor") - side // 2
            for at, pixels, many, side in (
                (column, image[1], self.columns, wide),
                (row, image[0], self.rows, high),
            )
        )
        if self.side is None:  # a cell of an odd side has no pixel edge in its middle
            left, top = column * wide, row * high
        corner = torch.stack([left, top], -1).to(torch.int32).flatten(0, 1)
        source, cut, at = (field.repeat_interleave(cells.shape[1], 0) for field in view[:3])
        seen = Sprites(source, cut, at, view.stage).patches(corner, max(high, wide))[
            ..., :high, :wide
        ]
        return (seen.to(torch.get_default_dtype()) / 255.0).unflatten(0, cells.shape)
