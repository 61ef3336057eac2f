"""Sensors whose places are weights over the cells of a grid."""

import torch
from torch import Tensor
from torch.nn import functional as F


class Grid:
    """Places that are weights over the cells of a grid, row by row: one-hot, a mask, or a mean.

    Args:
        rows: Rows of the grid.
        columns: Columns of the grid.
    """

    differentiable = True
    by_windows = False
    together = True  # whether several masks of one place are of the same cells

    def __init__(self, rows: int, columns: int):
        if rows < 1 or columns < 1:
            raise ValueError(f"a grid needs rows and columns of at least 1, not {rows}, {columns}")
        self.rows, self.columns = rows, columns
        self.places = rows * columns

    def centres(self, like: Tensor) -> Tensor:
        """(N, 2) centres of the cells, on the device and of the type of `like`."""
        y = (torch.arange(self.rows, device=like.device) + 0.5) / self.rows * 2 - 1
        x = (torch.arange(self.columns, device=like.device) + 0.5) / self.columns * 2 - 1
        return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).flatten(0, 1).to(like.dtype)

    def bound(self, location: Tensor) -> Tensor:
        return location.nan_to_num(nan=0.0).clamp(0.0, 1.0)

    def at(self, point: Tensor) -> Tensor:
        # A share of 1 is the far border, which is the last cell's.
        share = (point + 1) / 2
        column = (share[:, 0] * self.columns).floor().clamp(0, self.columns - 1)
        row = (share[:, 1] * self.rows).floor().clamp(0, self.rows - 1)
        cell = (row * self.columns + column).long()
        return self.over(F.one_hot(cell, self.rows * self.columns).to(point.dtype))

    def over(self, cells: Tensor) -> Tensor:
        """(..., N) weights of the cells, row by row -> (..., P), the place that is all of them."""
        return cells

    def density(self, place: Tensor) -> Tensor:
        """(..., P) -> (..., rows, columns): the weight of each cell in a place."""
        return place.unflatten(-1, (self.rows, self.columns))

    def point(self, place: Tensor) -> Tensor:
        cells = self.density(place).flatten(-2)
        total = cells.sum(-1, keepdim=True).clamp_min(torch.finfo(place.dtype).tiny)
        return (cells / total) @ self.centres(place)

    def cut(self, images: Tensor) -> tuple[int, int]:
        """Height and width of a cell. Raises ValueError where the grid does not fit."""
        height, width = images.shape[-2:]
        if height % self.rows or width % self.columns:
            raise ValueError(
                f"a grid of {self.rows}x{self.columns} cells does not divide an image of "
                f"{height}x{width} pixels"
            )
        return height // self.rows, width // self.columns


class Cells(Grid):
    """The patch that lies in the chosen cell; weights other than one-hot show the weighted sum.

    So a draw is hard attention over patches and its mean is soft attention over them, through one
    and the same sensor. Differentiable in the weights.

    (B, C, H, W) uint8, (B, rows * columns) -> (B, C, H / rows, W / columns).
    """

    everything = False

    def shape(self, image: tuple[int, int, int]) -> tuple[int, ...]:
        return (image[0], image[1] // self.rows, image[2] // self.columns)

    def pixels(self, image: tuple[int, int, int]) -> int:
        return (image[1] // self.rows) * (image[2] // self.columns)

    def fine(self, image: tuple[int, int, int]) -> tuple[int, int]:
        return image[1] // self.rows, image[2] // self.columns

    wide = fine

    def open(self, images: Tensor) -> Tensor:
        self.cut(images)
        patches = images.unflatten(2, (self.rows, -1)).unflatten(4, (self.columns, -1))
        cells = patches.permute(0, 2, 4, 1, 3, 5).flatten(1, 2)
        return cells.to(torch.get_default_dtype()) / 255.0

    def look(self, view: Tensor, place: Tensor) -> Tensor:
        return (place.to(view.dtype)[:, None] @ view.flatten(2)).view(len(view), *view.shape[2:])


class Patches(Grid):
    """The image with the patches that the mask leaves out blanked: (B, C, H, W) again.

    Differentiable in the mask. What it is charged is the whole image, if every patch is kept.
    """

    everything = False

    def shape(self, image: tuple[int, int, int]) -> tuple[int, ...]:
        return image

    def pixels(self, image: tuple[int, int, int]) -> int:
        return image[1] * image[2]

    def fine(self, image: tuple[int, int, int]) -> tuple[int, int]:
        return image[1], image[2]

    wide = fine

    def open(self, images: Tensor) -> Tensor:
        self.cut(images)
        return images.to(torch.get_default_dtype()) / 255.0

    def look(self, view: Tensor, place: Tensor) -> Tensor:
        height, width = self.cut(view)
        mask = self.density(place.to(view.dtype))[:, None]
        return view * mask.repeat_interleave(height, 2).repeat_interleave(width, 3)


class Pairs(Patches):
    """Patches under two masks, those that ask and those that are asked: either shows a patch.

    A place is both masks, one after the other, of N cells each: (B, 2 * rows * columns). So it
    chooses pairs of patches, as reinforced self-attention does (Shen et al. 2018,
    arXiv:1801.10296).

    Args:
        rows: Rows of the grid.
        columns: Columns of the grid.
    """

    def __init__(self, rows: int, columns: int):
        super().__init__(rows, columns)
        self.places = 2 * rows * columns

    def over(self, cells: Tensor) -> Tensor:
        return torch.cat([cells, cells], -1)

    def density(self, place: Tensor) -> Tensor:
        one, other = place.unflatten(-1, (2, self.rows, self.columns)).unbind(-3)
        return one + other - one * other
