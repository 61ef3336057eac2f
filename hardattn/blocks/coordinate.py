"""Coordinate attention (Hou, Zhou, Feng 2021, arXiv:2103.02907)."""

import torch
from torch import Tensor, nn

from hardattn.maps import AttentionMap


class Coordinate(nn.Module):
    """y_chw = x_chw * a_ch * b_cw: a gate for each row times a gate for each column.

    The means over columns and over rows, (H + W) vectors of C, pass one 1x1 convolution to C / r,
    a norm and h-swish; then a = sigmoid(conv) of the first H, b = sigmoid(conv) of the last W.

    (B, C, H, W) -> same. Map: the gate a_ch b_cw, (B, C, H, W). In each channel it has rank one,
    so it cannot follow a diagonal. reduction: r; there are at least 8 channels between.

    Args:
        reduction: Channels to a unit of the middle layer.
    """

    placement = "branch"

    def __init__(self, channels: int, *, reduction: int = 32):
        super().__init__()
        middle = max(8, channels // reduction)
        self.shared = nn.Sequential(
            nn.Conv1d(channels, middle, 1, bias=False), nn.BatchNorm1d(middle), nn.Hardswish()
        )
        self.rows = nn.Conv1d(middle, channels, 1)
        self.columns = nn.Conv1d(middle, channels, 1)
        self.map = AttentionMap("full gate")

    def forward(self, x: Tensor) -> Tensor:
        seen = self.shared(torch.cat([x.mean(3), x.mean(2)], 2))
        rows, columns = seen.split(x.shape[2:], 2)
        rows, columns = torch.sigmoid(self.rows(rows)), torch.sigmoid(self.columns(columns))
        gate = self.map(rows[:, :, :, None] * columns[:, :, None])
        return x * gate
