"""Squeeze-and-excitation (Hu, Shen, Sun 2018, arXiv:1709.01507)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.maps import AttentionMap


def hidden_units(channels: int, reduction: int) -> int:
    """Rectified units between the two layers of a gate: C / r, and at least eight.

    With fewer, all may be shut whatever the image, and the gate is made of biases alone: with two,
    which is what r = 16 leaves of 32 channels, it was so in 6 of 20 untrained networks.
    """
    return max(8, channels // reduction)


class SE(nn.Module):
    """y = x * sigmoid(W2 relu(W1 mean_hw(x))).

    (B, C, H, W) -> same. Map: the gate, (B, C). reduction: of the middle layer, C / r units, but at
    least eight. What pools otherwise, and gates alike, overrides `pool`.

    Args:
        reduction: Channels to a unit of the middle layer.
    """

    placement = "branch"

    def __init__(self, channels: int, *, reduction: int = 16):
        super().__init__()
        middle = hidden_units(channels, reduction)
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
