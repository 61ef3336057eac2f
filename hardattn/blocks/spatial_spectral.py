"""Spatial-spectral self-attention (TSA-Net; Meng, Ma, Yuan 2020), for maps of any size."""

import torch
from torch import Tensor, nn

from hardattn.maps import AttentionMap


class SpatialSpectral(nn.Module):
    """y = x + W (A_rows, A_columns and A_channels applied to V x, one after the other).

    (B, C, H, W) -> same. Each A is softmax(q k' / sqrt(length)) of tokens that are whole rows
    (their W places with C / 8 channels, at least one), whole columns, or whole channels. One map of
    columns serves all rows and channels, and so on: the attention is separable. Maps: (B, 1, W, W),
    (B, 1, H, H) and (B, 1, C, C), rows sum to one; that of channels says nothing of places.

    Departures: the paper's ECCV text was not at hand, the released code was. It reduces each token
    by strided convolutions and a layer that fixes H and W; here tokens are compared place by place.
    One head rather than eight, and no mask that favours neighbouring channels, which are spectral
    bands there.
    """

    placement = "scaled"

    def __init__(self, channels: int):
        super().__init__()
        inner = max(1, channels // 8)
        self.sizes = [inner, inner, inner, inner, channels, channels]
        self.project = nn.Conv2d(channels, sum(self.sizes), 1, bias=False)
        self.value = nn.Conv2d(channels, channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)
        self.columns_map = AttentionMap("pairwise", over=(-1,))
        self.rows_map = AttentionMap("pairwise", over=(-1,))
        self.channels_map = AttentionMap("pairwise", over=(-1,))

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        of_column, to_column, of_row, to_row, of_channel, to_channel = self.project(x).split(
            self.sizes, 1
        )

        def from_columns(weights: Tensor) -> Tensor:
            return weights.mean((1, 2))[:, None].expand(-1, height, -1)

        def from_rows(weights: Tensor) -> Tensor:
            return weights.mean((1, 2))[:, :, None].expand(-1, -1, width)

        columns = weigh(*(each.flatten(1, 2).mT for each in (of_column, to_column)))
        columns = self.columns_map(columns, density=from_columns)
        rows = weigh(*(each.transpose(1, 2).flatten(2) for each in (of_row, to_row)))
        rows = self.rows_map(rows, density=from_rows)
        channels = weigh(*(each.flatten(2) for each in (of_channel, to_channel)))
        channels = self.channels_map(channels)

        attended = rows @ (self.value(x) @ columns.mT)
        attended = (channels[:, 0] @ attended.flatten(2)).unflatten(2, (height, width))
        return x + self.out(attended)


def weigh(query: Tensor, key: Tensor) -> Tensor:
    """(B, N, D) tokens, twice -> (B, 1, N, N), rows sum to one."""
    return torch.softmax(query @ key.mT / query.shape[2] ** 0.5, -1)[:, None]
