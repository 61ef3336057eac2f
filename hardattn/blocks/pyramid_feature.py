"""Pyramid feature attention (Zhao, Wu 2019, arXiv:1903.00179), at one level."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.blocks.se import hidden_units
from hardattn.maps import AttentionMap


class PyramidFeature(nn.Module):
    """h = x * sigmoid(W2 relu(W1 mean_hw(x))), then y = h * sigmoid(a(h) + b(h)).

    (B, C, H, W) -> same. a is a 1x9 convolution to C / 2 channels, BN, relu, and a 9x1 convolution
    to one, BN; b is a 9x1, then a 1x9. The middle layer of the first gate has C / 4 units, but at
    least eight. Maps: the channel gate, (B, C), and the spatial gate, (B, 1, H, W).

    Departures: one level. In the paper the channel gate is on several levels of a network, put
    together by dilated convolutions, and the spatial gate that is made of them is on lower levels.
    Its released code rectifies a and b, so that no spatial gate falls below a half, and charges for
    channel gates.

    Args:
        kernel: Side of the convolution in pixels.
    """

    placement = "branch"

    def __init__(self, channels: int, *, kernel: int = 9):
        super().__init__()
        middle = hidden_units(channels, 4)
        self.squeeze = nn.Linear(channels, middle)
        self.excite = nn.Linear(middle, channels)
        self.across_down = self._branch(channels, (1, kernel), (kernel, 1))
        self.down_across = self._branch(channels, (kernel, 1), (1, kernel))
        self.channel_map = AttentionMap("channel gate")
        self.spatial_map = AttentionMap("spatial gate")

    @staticmethod
    def _branch(channels: int, first: tuple[int, int], second: tuple[int, int]) -> nn.Sequential:
        middle = channels // 2
        return nn.Sequential(
            nn.Conv2d(channels, middle, first, padding="same", bias=False),
            nn.BatchNorm2d(middle),
            nn.ReLU(),
            nn.Conv2d(middle, 1, second, padding="same", bias=False),
            nn.BatchNorm2d(1),
        )

    def gates(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features behind the channel gate, and the spatial gate that is made of them."""
        gate = torch.sigmoid(self.excite(F.relu(self.squeeze(x.mean((2, 3))))))
        x = x * self.channel_map(gate)[:, :, None, None]
        gate = torch.sigmoid(self.across_down(x) + self.down_across(x))
        return x, self.spatial_map(gate)

    def forward(self, x: Tensor) -> Tensor:
        x, gate = self.gates(x)
        return x * gate
