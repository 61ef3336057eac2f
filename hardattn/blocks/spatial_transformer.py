"""Spatial transformer (Jaderberg, Simonyan, Zisserman, Kavukcuoglu 2015, arXiv:1506.02025)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.maps import AttentionMap, splatted


class SpatialTransformer(nn.Module):
    """y(u) = x(A u + t): the map is read, bilinearly, under an affine map that it chose itself.

    (B, C, H, W) -> same; u in [-1, 1], outside x is 0. theta = (A | t) comes from a localisation
    net: 3x3 convolution to C / 2 channels, rectified, averaged to 4x4 cells, and two fully
    connected layers, `hidden` units between. Map: theta, (B, 6), row by row; its density is how
    much of each pixel was read. The last layer starts at 0 with the identity for a bias, so the
    block starts as the identity.

    Departures: the paper has many localisation nets, none of which takes any size of map. They
    often learn at a tenth of the speed; this one learns as fast as the rest.

    Args:
        hidden: Units of the hidden layer.
    """

    placement = "context"

    start: tuple[float, ...] = (1, 0, 0, 0, 1, 0)

    def __init__(self, channels: int, *, hidden: int = 32):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels // 2, 3, padding=1)
        self.between = nn.Linear(16 * (channels // 2), hidden)
        self.last = nn.Linear(hidden, len(self.start))
        nn.init.zeros_(self.last.weight)
        with torch.no_grad():
            self.last.bias.copy_(torch.tensor(self.start))
        self.map = AttentionMap("geometric")

    def matrix(self, theta: Tensor) -> Tensor:
        """(B, P) -> (B, 2, 3), the affine map."""
        return theta.unflatten(1, (2, 3))

    def forward(self, x: Tensor) -> Tensor:
        seen = F.adaptive_avg_pool2d(F.relu(self.conv(x)), 4)
        theta = self.last(F.relu(self.between(seen.flatten(1))))
        height, width = x.shape[2:]

        def density(theta: Tensor) -> Tensor:
            shape = [theta.shape[0], 1, height, width]
            grid = F.affine_grid(self.matrix(theta), shape, align_corners=False)
            columns, rows = grid.flatten(1, 2).unbind(-1)
            rows, columns = ((rows + 1) * height - 1) / 2, ((columns + 1) * width - 1) / 2
            return splatted(rows, columns, height, width)

        theta = self.map(theta, density=density)
        grid = F.affine_grid(self.matrix(theta), list(x.shape), align_corners=False)
        return F.grid_sample(x, grid, align_corners=False)


class SpatialTransformerZoom(SpatialTransformer):
    """The paper's transform for attention, y(u) = x(s u + t): the soft twin of a glimpse.

    (B, C, H, W) -> same. Map: (s, t_x, t_y), (B, 3). For the rest see `SpatialTransformer`.
    """

    start = (1, 0, 0)

    def matrix(self, theta: Tensor) -> Tensor:
        scale, x, y = theta.unbind(1)
        zero = torch.zeros_like(scale)
        return torch.stack([scale, zero, x, zero, scale, y], 1).unflatten(1, (2, 3))
