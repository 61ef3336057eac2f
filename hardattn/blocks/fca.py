"""Frequency channel attention, FcaNet (Qin, Zhang, Wu, Li 2021, arXiv:2012.11879)."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.blocks.se import hidden_units
from hardattn.maps import AttentionMap

# (u, v), down and across, in a spectrum of 7x7: those that alone served ImageNet best, in order.
TOP = (
    (0, 0), (0, 1), (6, 0), (0, 5), (0, 2), (1, 0), (1, 2), (4, 0),
    (5, 0), (1, 6), (3, 0), (0, 4), (0, 6), (0, 3), (3, 5), (2, 2),
)  # fmt: skip


def cosines(frequencies: Tensor, size: int, dtype: torch.dtype) -> Tensor:
    """(n,) whole numbers below `size` -> (n, size): rows of the discrete cosine transform.

    The mean square of each row is one, and the row of frequency 0 is constant.
    """
    exact = torch.promote_types(dtype, torch.float32)
    places = torch.arange(size, dtype=exact, device=frequencies.device) + 0.5
    waves = torch.cos(frequencies[:, None] * places * (math.pi / size))
    return torch.where(frequencies[:, None] > 0, math.sqrt(2) * waves, waves).to(dtype)


class FCA(nn.Module):
    """y = x * sigmoid(W2 relu(W1 f)), where f_c is one frequency of channel c, not its mean.

    The channels are n groups of neighbours, and each group has its frequency (u, v): f_c is the sum
    over places of x_c times the cosines of u down and v across, all cosines of length one. With
    n = 1 it is sqrt(H W) times the mean, and the block is SE without biases on that.

    (B, C, H, W) -> same. Map: the gate, (B, C). frequencies: n, the first of the 16 that the paper
    chose; it must divide C. reduction: of the middle layer, C / r units, but at least eight.

    Departures: frequencies, given for 7x7, become whole(u H / 7), where the authors' code has
    u whole(H / 7): the same where 7 divides H, but below 7 theirs makes every filter the mean.

    Args:
        reduction: Channels to a unit of the middle layer.
        frequencies: How many frequencies of the cosine transform are used.
    """

    placement = "branch"

    spectrum: Tensor

    def __init__(self, channels: int, *, reduction: int = 16, frequencies: int = 16):
        super().__init__()
        if not 1 <= frequencies <= len(TOP) or channels % frequencies:
            raise ValueError(
                f"{frequencies} frequencies, at most {len(TOP)}, must divide {channels} channels"
            )
        middle = hidden_units(channels, reduction)
        self.squeeze = nn.Linear(channels, middle, bias=False)
        self.excite = nn.Linear(middle, channels, bias=False)
        self.register_buffer("spectrum", torch.tensor(TOP[:frequencies]).T, persistent=False)
        self.map = AttentionMap("channel gate")

    def forward(self, x: Tensor) -> Tensor:
        down, across = (
            cosines(each * side // 7, side, x.dtype)
            for each, side in zip(self.spectrum, x.shape[2:], strict=True)
        )
        length = math.sqrt(x.shape[2] * x.shape[3])
        filters = (down[:, :, None] * across[:, None]).flatten(1) / length
        groups = x.flatten(2).unflatten(1, (len(filters), -1))
        seen = (groups @ filters[:, :, None]).flatten(1)
        gate = torch.sigmoid(self.excite(F.relu(self.squeeze(seen))))
        gate = self.map(gate)
        return x * gate[:, :, None, None]
