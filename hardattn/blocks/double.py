"""Double attention, of A2-Nets (Chen, Kalantidis, Li, Yan, Feng 2018, arXiv:1810.11579)."""

import torch
from torch import Tensor, nn

from hardattn.maps import AttentionMap, pooled


class DoubleAttention(nn.Module):
    """y = x + W Z: features are gathered from all places, then given out to each as it needs them.

    G = A softmax_places(B)', (m, n), what each of n queries gathered; Z = G softmax_n(V), (m, N).
    A, B, V are 1x1 convolutions to m = n = C / r channels, W back to C.

    (B, C, H, W) -> same. Maps: what was gathered where, (B, n, N), which sums to one over places;
    and what was given where, (B, n, H, W), which sums to one over the queries.

    r = 4 is from memory: the paper's text was not at hand.

    Args:
        reduction: Channels to a unit of the middle layer.
    """

    placement = "scaled"

    def __init__(self, channels: int, *, reduction: int = 4):
        super().__init__()
        inner = max(1, channels // reduction)
        self.features = nn.Conv2d(channels, inner, 1)
        self.gather = nn.Conv2d(channels, inner, 1, bias=False)  # the softmax cancels a bias
        self.give = nn.Conv2d(channels, inner, 1)
        self.out = nn.Conv2d(inner, channels, 1)
        self.gather_map = AttentionMap("pooled query", over=(-1,))
        self.give_map = AttentionMap("codes", over=(-3,))

    def forward(self, x: Tensor) -> Tensor:
        gathered = self.gather(x).flatten(2).softmax(2)
        gathered = self.gather_map(gathered, density=pooled(*x.shape[2:]))
        given = self.give_map(self.give(x).softmax(1))
        descriptors = torch.einsum("bmp,bnp->bmn", self.features(x).flatten(2), gathered)
        return x + self.out(torch.einsum("bmn,bnhw->bmhw", descriptors, given))
