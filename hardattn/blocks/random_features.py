"""Random feature attention (Peng et al. 2021, arXiv:2103.02143)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.blocks.multi_head import MultiHead
from hardattn.maps import AttentionMap, Density
from hardattn.noise import normal


class RandomFeatures(MultiHead):
    """Multi-head attention whose kernel exp(q.k) is estimated: A_ij = f(q_i).f(k_j) / sum_j.

    f(u) = [sin(w_1.u), ..., sin(w_D.u), cos(w_1.u), ..., cos(w_D.u)] / sqrt(D), w = s * normal
    noise, of queries and keys of length one. s, one for each channel of a head, is learned and
    starts at 1, where A tends to softmax(q.k) as D grows, with an error of order 1 / sqrt(D).

    (B, C, H, W) -> same. Map: A, (B, heads, N, N); it may be negative in places and so is not
    declared to be a distribution; its density is cut off at zero. features: D, as a rule not less
    than the channels of a head (the authors' code has 64 of each). The noise is drawn anew at each
    forward pass in training; in evaluation it is that of the buffer.

    The sum that A is divided by is kept from below, at the weight of one key equal to the query; in
    the authors' code, at about one and a half.

    Of `many` places, and where nobody listens to A, keys and values are multiplied first, and the
    cost is linear in N.

    Departures: the form without a recurrent gate, as places have no order. The noise is drawn, not
    chosen from a stock.

    Args:
        heads: How many attend side by side.
        positions: Add where a place is to what is there.
        features: How many random features stand for the softmax.
    """

    noise: Tensor
    many = 128

    def __init__(
        self, channels: int, *, heads: int = 4, positions: bool = True, features: int = 64
    ):
        super().__init__(channels, heads=heads, positions=positions)
        self.map = AttentionMap("pairwise")
        self.scale = nn.Parameter(torch.ones(heads, channels // heads, 1))
        size = (heads, channels // heads, features)
        self.register_buffer("noise", torch.randn(size, generator=torch.Generator().manual_seed(0)))

    def declare(self, weights: Tensor, density: Density) -> Tensor:
        return self.map(weights, density=lambda used: density(used).clamp_min(0))

    def weights(self, query: Tensor, key: Tensor) -> Tensor:
        share, seen = self.shares(query, key)
        return share @ seen.transpose(2, 3)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, density: Density) -> Tensor:
        if not self.spares(query):
            return super().attend(query, key, value, density)
        share, seen = self.shares(query, key)
        return share @ (seen.transpose(2, 3) @ value)

    def shares(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        """The two factors of A, each (B, heads, N, 2 D)."""
        noise = normal(self.noise) if self.training else self.noise
        angles = [F.normalize(each, dim=-1) @ (self.scale * noise) for each in (query, key)]
        query, key = (torch.cat([each.sin(), each.cos()], -1) for each in angles)
        total = query @ key.sum(2)[..., None]
        # Without the 1 / D of f, two equal points have a product of D.
        return query / total.clamp_min(noise.shape[2]), key
