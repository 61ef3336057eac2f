"""Stacked hourglass (Newell, Yang, Deng 2016, arXiv:1603.06937): one hourglass as a gate."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.blocks.residual_attention import Bottleneck
from hardattn.maps import AttentionMap


class Scales(nn.Module):
    """An hourglass: features at every scale, put together again. (B, C, H, W) -> same.

    At each scale a unit goes across and another down, after 2x2 max-pooling; on the way up the
    nearest pixel is repeated and the two are added. Units are bottlenecks with C / 2 channels
    between. Odd sides are rounded up on the way down and cut on the way up.
    """

    def __init__(self, channels: int, depth: int):
        super().__init__()
        if depth < 1:
            raise ValueError(f"an hourglass needs a depth of at least 1, not {depth}")

        def units(count: int) -> nn.ModuleList:
            return nn.ModuleList(Bottleneck(channels, channels // 2) for _ in range(count))

        self.across, self.down, self.up = units(depth), units(depth), units(depth)
        self.bottom = Bottleneck(channels, channels // 2)

    def scales(self, x: Tensor) -> list[Tensor]:
        """What is put together at each scale, the coarsest first; the last has the sides of x."""
        kept, seen = [], x
        for across, down in zip(self.across, self.down, strict=True):
            kept.append(across(seen))
            seen = down(F.max_pool2d(seen, 2, ceil_mode=True))
        found = [self.bottom(seen)]
        for up in self.up:
            beside = kept.pop()
            height, width = beside.shape[2:]
            above = F.interpolate(up(found[-1]), scale_factor=2, mode="nearest")
            found.append(beside + above[..., :height, :width])
        return found


class Hourglass(Scales):
    """y = x * sigmoid(heatmap(x)): an hourglass sees the map at every scale and says where.

    (B, C, H, W) -> same. At each scale a unit goes across and another down, after 2x2 max-pooling;
    on the way up the nearest pixel is repeated and the two are added. Units are bottlenecks with C
    / 2 channels between. The heatmap is BN, relu and a 1x1 convolution to one channel. Map: its
    sigmoid, (B, 1, H, W).

    Departures: a gate, where the paper adds heatmaps back to the features. There they are trained
    against key points; without those only a gate makes of a heatmap a statement about places. Two
    scales down, to 3x3 from 12x12; the paper goes from 64 to 4 in four. Odd sides are rounded up on
    the way down and cut on the way up. Nothing between the hourglass and the heatmap, where the
    paper has a unit and a convolution.

    Args:
        depth: How often the middle of it halves the sides.
    """

    placement = "branch"

    def __init__(self, channels: int, *, depth: int = 2):
        super().__init__(channels, depth)
        self.norm = nn.BatchNorm2d(channels)
        self.heatmap = nn.Conv2d(channels, 1, 1)
        self.map = AttentionMap("spatial gate")

    def forward(self, x: Tensor) -> Tensor:
        seen = self.scales(x)[-1]
        gate = torch.sigmoid(self.heatmap(F.relu(self.norm(seen))))
        return x * self.map(gate)
