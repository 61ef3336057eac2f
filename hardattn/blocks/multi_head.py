"""Multi-head self-attention (Vaswani et al. 2017, arXiv:1706.03762; on images arXiv:2010.11929)."""

import torch
from torch import Tensor, nn

from hardattn.maps import AttentionMap, Density, received


def sinusoids(height: int, width: int, channels: int, like: Tensor) -> Tensor:
    """Where each place is: (N, C), sines and cosines of its row, then of its column.

    Each of the two gets C / 2 channels in the way of Vaswani et al.: wave i turns by
    10000^(-i / (C / 4)) radians a place. Dtype and device are those of `like`.
    """
    waves = channels // 4
    rate = 10000 ** (-torch.arange(waves, device=like.device) / waves)
    row = torch.arange(height, device=like.device)[:, None, None] * rate
    column = torch.arange(width, device=like.device)[:, None] * rate
    parts = (row.sin(), row.cos(), column.sin(), column.cos())
    wave = torch.cat([part.expand(height, width, waves) for part in parts], 2)
    return wave.flatten(0, 1).to(like)


class MultiHead(nn.Module):
    """y = x + W_o [A_1 V_1; ...; A_h V_h], A = softmax(Q K' / sqrt(d)), of norm(x) + positions.

    (B, C, H, W) -> same. Map: A, (B, heads, N, N), rows sum to one. Q, K, V and W_o are C x C
    without biases; d = C / heads. Without positions places can be shuffled: the outputs follow.

    What attends otherwise in the same layer overrides `weights`, and `attend` if it can do without
    writing them out where nobody listens.

    Departures: it is the attending half of the layer, without its MLP. The norm comes before, as
    in vision transformers. Positions are added here rather than once below, sines and cosines of
    row and column, half of the channels each, so that they need no size.

    Args:
        heads: How many attend side by side.
        positions: Add where a place is to what is there.
    """

    placement = "scaled"
    many = 0  # places from which on what need not write the weights out is faster without

    def __init__(self, channels: int, *, heads: int = 4, positions: bool = True):
        super().__init__()
        if channels % heads or (positions and channels % 4):
            raise ValueError(
                f"{channels} channels: {heads} heads need a multiple of {heads}, positions one of 4"
            )
        self.heads, self.positions = heads, positions
        self.norm = nn.LayerNorm(channels)
        self.project = nn.Linear(channels, 3 * channels, bias=False)
        self.out = nn.Linear(channels, channels, bias=False)
        self.map = AttentionMap("pairwise", over=(-1,))

    def weights(self, query: Tensor, key: Tensor) -> Tensor:
        """How each place attends to each: (B, heads, N, d) twice -> (B, heads, N, N)."""
        return (query / query.shape[3] ** 0.5 @ key.transpose(2, 3)).softmax(-1)

    def spares(self, query: Tensor) -> bool:
        """Whether to do without the weights: of many places, and where nobody listens to them."""
        return query.shape[2] >= self.many and not self.map.heard

    def attend(self, query: Tensor, key: Tensor, value: Tensor, density: Density) -> Tensor:
        """What each place gets of the values: (B, heads, N, d) three times -> (B, heads, N, d)."""
        return self.declare(self.weights(query, key), density) @ value

    def declare(self, weights: Tensor, density: Density) -> Tensor:
        return self.map(weights, density=density)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        tokens = self.norm(x.flatten(2).transpose(1, 2))
        if self.positions:
            tokens = tokens + sinusoids(height, width, x.shape[1], x)
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in self.project(tokens).chunk(3, 2)
        )
        attended = self.attend(query, key, value, received(height, width))
        attended = self.out(attended.transpose(1, 2).flatten(2))
        return x + attended.transpose(1, 2).unflatten(2, (height, width))
