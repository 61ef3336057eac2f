"""Harmonious attention, its soft part (Li, Zhu, Gong 2018, arXiv:1802.08122)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.blocks.se import hidden_units
from hardattn.maps import AttentionMap


def layer(before: int, after: int, kernel: int = 1, stride: int = 1) -> nn.Sequential:
    """A convolution, a norm and a rectifier."""
    return nn.Sequential(
        nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    )


class Harmonious(nn.Module):
    """y = x * sigmoid(conv(s c)): a map of places times a vector of channels, then mixed.

    s: the mean over channels through a 3x3 convolution of stride 2, bilinear enlarging and a 1x1
    convolution, (B, 1, H, W). c: the mean over places through C / r units, but at least eight,
    (B, C, 1, 1). Each convolution is followed by a norm and a rectifier, the last one, too: the
    gate is in [0.5, 1).

    (B, C, H, W) -> same. Map: the gate, (B, C, H, W).

    Departures: the paper's "hard" attention, four crops by a spatial transformer (nothing in it is
    drawn), is not part of this block. The map is enlarged to the sides of x, which may be odd. The
    3x3 kernel starts positive.

    Args:
        reduction: Channels to a unit of the middle layer.
    """

    placement = "branch"

    def __init__(self, channels: int, *, reduction: int = 16):
        super().__init__()
        middle = hidden_units(channels, reduction)
        self.places = layer(1, 1, kernel=3, stride=2)
        self.scale = layer(1, 1)
        # Their convolutions have one channel: drawn, they may be negative where what they read
        # is not, and shut the rectifier.
        nn.init.ones_(next(self.scale.parameters()))
        with torch.no_grad():
            next(self.places.parameters()).abs_()
        self.channels = nn.Sequential(layer(channels, middle), layer(middle, channels))
        self.mix = layer(channels, channels)
        self.map = AttentionMap("full gate")

    def forward(self, x: Tensor) -> Tensor:
        small = self.places(x.mean(1, keepdim=True))
        large = F.interpolate(small, x.shape[2:], mode="bilinear", align_corners=True)
        product = self.scale(large) * self.channels(x.mean((2, 3), keepdim=True))
        gate = self.map(torch.sigmoid(self.mix(product)))
        return x * gate
