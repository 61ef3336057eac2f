"""Features of the cells of an image, for agents that attend to several things in it."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class PlacedCells(nn.Module):
    """A normalised convolutional net, whose map is a grid of cells: (B, C, H, W) -> (B, N, D).

    Convolutions of stride 2, 3x3, each normed and rectified, their widths doubling up to D, until a
    feature is as wide as a cell; then a residual unit of two more. So a feature sees its cell and
    what lies about it, about 40 pixels in all for cells of 8. Where the cell is, a learned vector,
    is added to it: a sentence says what lies left of what. Cells go row by row, as in `Cells`.

    image: (C, H, W). cell: the (height, width) of a cell, both the same power of two, at least 2.
    """

    def __init__(self, image: tuple[int, ...], cell: tuple[int, ...], features: int):
        super().__init__()
        side = cell[0]
        if len(image) != 3 or len({*cell}) != 1 or side < 2 or side & (side - 1):
            raise ValueError(
                f"features of cells need a whole image as context and square cells whose side is "
                f"a power of two, not {tuple(image)} and {tuple(cell)}"
            )
        if image[1] % side or image[2] % side:
            raise ValueError(f"cells of {side} pixels do not divide an image of {image[1:]}")
        layers: list[nn.Module] = []
        before, count = image[0], side.bit_length() - 1
        for number in range(count):
            after = max(features >> (count - 1 - number), min(8, features))
            layers += [
                nn.Conv2d(before, after, 3, 2, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            ]
            before = after
        self.net = nn.Sequential(*layers)
        self.unit = nn.Sequential(
            nn.Conv2d(features, features, 3, padding=1, bias=False),
            nn.BatchNorm2d(features),
            nn.ReLU(),
            nn.Conv2d(features, features, 3, padding=1, bias=False),
            nn.BatchNorm2d(features),
        )
        self.grid = image[1] // side, image[2] // side
        self.cells = self.grid[0] * self.grid[1]
        self.places = nn.Parameter(0.1 * torch.randn(self.cells, features))

    def forward(self, image: Tensor) -> Tensor:
        x = self.net(image)
        x = F.relu(x + self.unit(x))
        return x.flatten(2).transpose(1, 2) + self.places
