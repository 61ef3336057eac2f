"""Efficient channel attention (Wang, Wu, Zhu, Li, Zuo, Hu 2020, arXiv:1910.03151)."""

import math

import torch
from torch import Tensor, nn

from hardattn.maps import AttentionMap


def kernel_for(channels: int) -> int:
    """The odd number nearest to (log2 C + 1) / 2, the greater of two."""
    whole = int((math.log2(channels) + 1) / 2)
    return whole if whole % 2 else whole + 1


class ECA(nn.Module):
    """y = x * sigmoid(conv_k(mean_hw(x))), one 1-D convolution along the channels, without bias.

    (B, C, H, W) -> same. Map: the gate, (B, C). kernel: of the convolution, odd; the paper's rule
    where it is not given. Neighbours in the order of channels, which has no meaning before
    training, share a gate's evidence.

    Args:
        kernel: Of the convolution over channels, odd; by default by the paper's rule.
    """

    placement = "branch"

    def __init__(self, channels: int, *, kernel: int | None = None):
        super().__init__()
        kernel = kernel_for(channels) if kernel is None else kernel
        self.conv = nn.Conv1d(1, 1, kernel, padding=kernel // 2, bias=False)
        self.map = AttentionMap("channel gate")

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.sigmoid(self.conv(x.mean((2, 3))[:, None])[:, 0])
        gate = self.map(gate)
        return x * gate[:, :, None, None]
