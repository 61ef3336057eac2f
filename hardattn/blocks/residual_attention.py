"""Residual attention network (Wang et al. 2017, arXiv:1704.06904)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.maps import AttentionMap


class Bottleneck(nn.Module):
    """x + conv_1x1(conv_3x3(conv_1x1(x))), each after BN and relu (He et al., 1603.05027).

    middle: the channels between.
    """

    def __init__(self, channels: int, middle: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, middle, 1, bias=False),
            nn.BatchNorm2d(middle),
            nn.ReLU(),
            nn.Conv2d(middle, middle, 3, padding=1, bias=False),
            nn.BatchNorm2d(middle),
            nn.ReLU(),
            nn.Conv2d(middle, channels, 1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class ResidualAttention(nn.Module):
    """y = (1 + M(x)) * T(x): a mask from a wider view, on a trunk of residual units.

    (B, C, H, W) -> same. T is t = 2 units. M goes down twice by max-pooling and up again by
    interpolation to the size it came from, with r = 1 unit at each step, 2 r at the bottom and one
    on the way across; then two 1x1 convolutions, each after BN and relu, and a sigmoid. Units are
    bottlenecks with C / 4 channels between. Map: M, (B, C, H, W).

    Departures: the p = 1 units before and after are left out, as the block stands between units of
    the backbone. Two steps down, the paper's second stage: maps are small.
    """

    placement = "scaled"

    def __init__(self, channels: int):
        super().__init__()

        def units(count: int) -> nn.Sequential:
            return nn.Sequential(*(Bottleneck(channels, channels // 4) for _ in range(count)))

        self.trunk = units(2)
        self.down, self.across, self.bottom, self.up = units(1), units(1), units(2), units(1)
        self.mask = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 1),
        )
        self.map = AttentionMap("full gate")

    def forward(self, x: Tensor) -> Tensor:
        half = self.down(F.max_pool2d(x, 3, 2, 1))
        quarter = self.bottom(F.max_pool2d(half, 3, 2, 1))
        half = self.up(self.across(half) + resized(quarter, half))
        mask = torch.sigmoid(self.mask(resized(half, x)))
        mask = self.map(mask)
        return (1 + mask) * self.trunk(x)


def resized(x: Tensor, like: Tensor) -> Tensor:
    """Bilinear, to the height and width of the other, so that odd sizes fit."""
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)
