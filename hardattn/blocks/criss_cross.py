"""Criss-cross attention (Huang et al. 2019, arXiv:1811.11721)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.maps import AttentionMap


def crossed(weights: Tensor) -> Tensor:
    """(B, H, W, H + W), weights on columns, then on rows -> what each place gets, (B, H, W)."""
    height, width = weights.shape[1:3]
    column, row = weights.split([height, width], -1)
    return (column.sum(1).transpose(1, 2) + row.sum(2)) / (height * width)


class CrissCross(nn.Module):
    """x <- x + gamma * attend(x), R times with the same weights: to one's row and column.

    One softmax over the H + W - 1 places of this cross, of q_i.k_j. After two rounds every place
    has heard of every other. rounds: R.

    (B, C, H, W) -> same. Maps, one a round: (B, H, W, H + W), weights on the column, then on the
    row; the place itself counts in the row, and is zero in the column. q and k have C / 8 channels,
    at least one, v has C. gamma starts at 0, so the block starts as the identity.

    Departures: without the convolutions around it in the paper's segmentation head. k has no
    bias, which would cancel.

    Args:
        rounds: How often it is repeated.
    """

    placement = "context"

    def __init__(self, channels: int, *, rounds: int = 2):
        super().__init__()
        inner = max(1, channels // 8)
        self.rounds = rounds
        self.query = nn.Conv2d(channels, inner, 1)
        self.key = nn.Conv2d(channels, inner, 1, bias=False)
        self.value = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(()))
        self.map = AttentionMap("local", over=(-1,))

    def attend(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        # Channels last: what lies in a row is then a matrix as it is, and only columns are copied.
        query, key, value = (_last(x, of) for of in (self.query, self.key, self.value))
        column = query.transpose(1, 2) @ key.transpose(1, 2).mT
        itself = torch.eye(height, dtype=torch.bool, device=x.device)
        column = column.masked_fill(itself, -torch.inf).transpose(1, 2)
        weights = torch.cat([column, query @ key.mT], -1).softmax(-1)
        weights = self.map(weights, density=crossed)
        column, row = weights.split([height, width], -1)
        above = (column.transpose(1, 2) @ value.transpose(1, 2)).transpose(1, 2)
        return (row @ value + above).permute(0, 3, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(self.rounds):
            x = x + self.gamma * self.attend(x)
        return x


def _last(x: Tensor, convolution: nn.Conv2d) -> Tensor:
    """A convolution of 1x1, (B, C, H, W) -> (B, H, W, D)."""
    made = F.linear(x.flatten(2).mT, convolution.weight.flatten(1), convolution.bias)
    return made.unflatten(1, x.shape[2:])
