"""Squeeze-and-excitation (Hu, Shen, Sun 2018, arXiv:1709.01507)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.maps import AttentionMap


class SE(nn.Module):
    """y = x * sigmoid(W2 relu(W1 mean_hw(x))).

    (B, C, H, W) -> same. Map: the gate, (B, C). reduction: of the middle layer, C / r units, at
    least one. What pools otherwise, and gates alike, overrides `pool`.
    """

    def __init__(self, channels: int, *, reduction: int = 16):
        super().__init__()
        middle = max(1, channels // reduction)
        self.squeeze = nn.Linear(channels, middle)
        self.excite = nn.Linear(middle, channels)
        self.map = AttentionMap("channel gate")

    def pool(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C), what the gate is made of."""
        return x.mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.sigmoid(self.excite(F.relu(self.squeeze(self.pool(x)))))
        gate = self.map(gate)
        return x * gate[:, :, None, None]
