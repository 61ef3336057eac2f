"""Convolutional block attention module (Woo, Park, Lee, Kweon 2018, arXiv:1807.06521)."""

import torch
from torch import Tensor, nn

from hardattn.blocks.se import hidden_units
from hardattn.maps import AttentionMap


class CBAMChannel(nn.Module):
    """y = x * sigmoid(MLP(mean_hw(x)) + MLP(max_hw(x))), one MLP for both.

    (B, C, H, W) -> same. Map: the gate, (B, C). The MLP has biases, as the authors' code has.
    reduction: of its middle layer, C / r units, but at least eight.

    Args:
        reduction: Channels to a unit of the middle layer.
    """

    placement = "branch"

    def __init__(self, channels: int, *, reduction: int = 16):
        super().__init__()
        middle = hidden_units(channels, reduction)
        self.mlp = nn.Sequential(
            nn.Linear(channels, middle), nn.ReLU(), nn.Linear(middle, channels)
        )
        self.map = AttentionMap("channel gate")

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.sigmoid(self.mlp(x.mean((2, 3))) + self.mlp(x.amax((2, 3))))
        gate = self.map(gate)
        return x * gate[:, :, None, None]


class CBAMSpatial(nn.Module):
    """y = x * sigmoid(BN(conv_kxk([max_c(x); mean_c(x)]))), without bias, k = 7.

    (B, C, H, W) -> same. Map: the gate, (B, 1, H, W). momentum: of the norm, the share of a batch
    in its running mean and variance; the authors' code has a hundredth, torch's default is a tenth.

    Args:
        kernel: Side of the convolution in pixels.
        momentum: Share of the new in a running mean.
    """

    placement = "branch"

    def __init__(self, channels: int, *, kernel: int = 7, momentum: float = 0.01):
        super().__init__()
        self.conv = nn.Conv2d(2, 1, kernel, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(1, momentum=momentum)
        self.map = AttentionMap("spatial gate")

    def forward(self, x: Tensor) -> Tensor:
        seen = torch.cat([x.amax(1, keepdim=True), x.mean(1, keepdim=True)], 1)
        gate = self.map(torch.sigmoid(self.norm(self.conv(seen))))
        return x * gate


class CBAM(nn.Module):
    """The channel gate, then the spatial gate. (B, C, H, W) -> same. Maps: those of both.

    Args:
        reduction: Channels to a unit of the middle layer.
        kernel: Side of the convolution in pixels.
        momentum: Share of the new in a running mean.
    """

    placement = "branch"

    def __init__(
        self, channels: int, *, reduction: int = 16, kernel: int = 7, momentum: float = 0.01
    ):
        super().__init__()
        self.channel = CBAMChannel(channels, reduction=reduction)
        self.spatial = CBAMSpatial(channels, kernel=kernel, momentum=momentum)

    def forward(self, x: Tensor) -> Tensor:
        return self.spatial(self.channel(x))
