"""The local self-attention of SPAN (Hu, Zhang, Jiang, Chaudhuri, Yang, Nevatia 2020).

Spatial pyramid attention network, arXiv:2009.00726.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.maps import AttentionMap


class Level(nn.Module):
    """x_p + sum_j a_pj V_j x_(p + d j), a_p = softmax_j((K_j x_(p + d j)) . (Q x_p) / sqrt(C)).

    j runs over the 3x3 neighbours of p, d apart, each with a K and a V of its own: this tells where
    it lies. Neighbours outside the map get no weight.
    """

    def __init__(self, channels: int, dilation: int):
        super().__init__()
        self.dilation = dilation
        self.query = nn.Conv2d(channels, channels, 1, bias=False)
        # K_j' for each j: with it the query meets the neighbour itself.
        self.key = nn.Conv2d(channels, 9 * channels, 1, bias=False)
        self.value = nn.Conv2d(9 * channels, channels, 1, bias=False)
        self.map = AttentionMap("local", over=(-1,))

    def neighbours(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, 9, H, W), 0 outside."""
        seen = F.unfold(x, 3, dilation=self.dilation, padding=self.dilation)
        return seen.view(x.shape[0], x.shape[1], 9, *x.shape[2:])

    def forward(self, x: Tensor) -> Tensor:
        channels, (height, width) = x.shape[1], x.shape[2:]
        seen = self.neighbours(x)
        scores = (self.key(self.query(x)).unflatten(1, (channels, 9)) * seen).sum(1)
        outside = self.neighbours(x.new_ones(1, 1, height, width))[:, 0] == 0
        scores = (scores / channels**0.5).masked_fill(outside, -torch.inf)

        def density(weights: Tensor) -> Tensor:
            window = {"dilation": self.dilation, "padding": self.dilation}
            return F.fold(weights.flatten(1, 2).mT, (height, width), 3, **window)[:, 0]

        weights = scores.softmax(1).permute(0, 2, 3, 1)
        weights = self.map(weights, density=density)
        attended = seen * weights.permute(0, 3, 1, 2)[:, None]
        return x + self.value(attended.flatten(1, 2))


class SPAN(nn.Module):
    """y = x + conv_1x1(levels(conv_1x1(x))): local self-attention, each level reaching further.

    (B, C, H, W) -> same. Levels work on C / 2 channels, one after the other; each adds to its input
    what each place attends to among its 3x3 neighbours at the level's dilation. Maps: one a level,
    (B, H, W, 9), sum to one over the last dimension.

    Departures: dilations 1 and 3; the paper goes on to 9, 27 and 81, on whole photographs. The
    three convolutions after each level are left out, as the units of the backbone do their work;
    the paper's decoder, too, in whose place the block returns to C channels. Neighbours outside the
    map are masked, where the released code gives them a score of 0, and so weight. That code
    divides scores by 8, whatever C is.

    Args:
        dilations: Of the convolutions, side by side.
    """

    placement = "replacement"

    def __init__(self, channels: int, *, dilations: Sequence[int] = (1, 3)):
        super().__init__()
        inner = channels // 2
        self.adapt = nn.Conv2d(channels, inner, 1)
        self.levels = nn.Sequential(*(Level(inner, dilation) for dilation in dilations))
        self.out = nn.Conv2d(inner, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.out(self.levels(self.adapt(x)))
