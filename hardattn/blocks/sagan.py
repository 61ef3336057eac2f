"""The self-attention of SAGAN (Zhang, Goodfellow, Metaxas, Odena 2019, arXiv:1805.08318)."""

import torch
from torch import Tensor, nn

from hardattn.maps import AttentionMap, received


class SAGAN(nn.Module):
    """y = x + gamma * attend(x): b_ij = softmax_j(q_i . k_j), o_i = sum_j b_ij v_j.

    (B, C, H, W) -> same. Map: b, (B, 1, N, N), rows sum to one. q and k have C / 8 channels, at
    least one, v has C; all are 1x1 convolutions. gamma starts at 0, so the block starts as the
    identity; a gamma that stays there says that nothing was attended to.

    Departures: v has C channels and no output convolution, as in the widely used code; the paper
    gives v C / 8 channels and maps them back to C. Convolutions have no spectral norm.
    """

    placement = "context"

    def __init__(self, channels: int):
        super().__init__()
        inner = max(1, channels // 8)
        self.query = nn.Conv2d(channels, inner, 1)
        self.key = nn.Conv2d(channels, inner, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(()))
        self.map = AttentionMap("pairwise", over=(-1,))

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        query, key, value = (f(x).flatten(2) for f in (self.query, self.key, self.value))
        weights = (query.transpose(1, 2) @ key).softmax(-1)[:, None]
        weights = self.map(weights, density=received(height, width))
        return x + self.gamma * (value @ weights[:, 0].transpose(1, 2)).unflatten(2, x.shape[2:])
