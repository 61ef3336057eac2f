"""High-order attention (Ding, Yang, Wu, Ding, Xv, Cheng, Li 2020, MICCAI; arXiv:1911.08777)."""

import torch
from torch import Tensor, nn

from hardattn.maps import AttentionMap, received


class HighOrder(nn.Module):
    """y = x + W [G v; G^2 v; ...; G^h v]: places are asked, then those whom these would ask.

    s_ij = softmax_j(q_i . k_j); G_ij is s_ij where s_ij >= tau / N, else 0, with rows divided by
    their sums: a graph whose edges are correlations that are high enough. Its powers reach the
    neighbours of order 1 to h. q, k, v are 1x1 convolutions to C / 2.

    (B, C, H, W) -> same. Map: G, (B, 1, N, N), rows sum to one; all orders follow from it. order:
    h. threshold: tau, in units of the weight that attending to all alike would give; a place keeps
    its strongest edge always. With h = 1 and tau = 0 this is non-local aggregation.

    Departures: the paper's text was not at hand. That edges are thresholded, that neighbours are
    of several orders and that two are drawn is from its abstract and figure; the unit of the
    threshold, weighted rather than counted walks, and the widths are choices made here.

    Args:
        order: How many factors a product has.
        threshold: Share of the largest weight above which a place counts.
    """

    placement = "scaled"

    def __init__(self, channels: int, *, order: int = 2, threshold: float = 1.0):
        super().__init__()
        inner = max(1, channels // 2)
        self.order, self.threshold = order, threshold
        self.query = nn.Conv2d(channels, inner, 1)
        self.key = nn.Conv2d(channels, inner, 1, bias=False)  # the softmax cancels a bias
        self.value = nn.Conv2d(channels, inner, 1)
        self.out = nn.Conv2d(order * inner, channels, 1)
        self.map = AttentionMap("pairwise", over=(-1,))

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        query, key, value = (f(x).flatten(2) for f in (self.query, self.key, self.value))
        weights = (query.transpose(1, 2) @ key).softmax(-1)
        least = weights.amax(-1, keepdim=True).clamp_max(self.threshold / (height * width))
        kept = weights * (weights >= least)
        graph = (kept / kept.sum(-1, keepdim=True))[:, None]
        graph = self.map(graph, density=received(height, width))[:, 0]
        reached = [value @ graph.transpose(1, 2)]
        for _ in range(self.order - 1):
            reached.append(reached[-1] @ graph.transpose(1, 2))
        return x + self.out(torch.cat(reached, 1).unflatten(2, x.shape[2:]))
