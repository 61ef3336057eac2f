"""Criss-cross attention (Huang et al. 2019, arXiv:1811.11721)."""

import torch
from torch import Tensor, nn

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
        height = x.shape[2]
        query, key, value = self.query(x), self.key(x), self.value(x)
        itself = torch.eye(height, dtype=torch.bool, device=x.device)[:, None]
        column = torch.einsum("bchw,bcgw->bhwg", query, key).masked_fill(itself, -torch.inf)
        row = torch.einsum("bchw,bchv->bhwv", query, key)
        weights = torch.cat([column, row], -1).softmax(-1)
        weights = self.map(weights, density=crossed)
        column, row = weights.split([height, x.shape[3]], -1)
        return torch.einsum("bhwg,bcgw->bchw", column, value) + torch.einsum(
            "bhwv,bchv->bchw", row, value
        )

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(self.rounds):
            x = x + self.gamma * self.attend(x)
        return x
