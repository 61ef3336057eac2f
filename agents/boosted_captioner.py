"""Boosted attention (Chen, Zhao 2018, arXiv:1904.00767): what stands out, before what is asked."""

import math

from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.maps import AttentionMap

from .show_attend_tell import TellingInWords


class BoostedCaptioner(TellingInWords):
    """Show, attend and tell in words, over features that are boosted where the image stands out.

    a' = (W_v a) * log(relu(w s) + e), with s how salient a cell is, and then as `TellingInWords`:
    attention from below, by the stimulus, before attention from above, by what is to be said. So
    the factor of a cell that does not stand out is 1. Map: s, (B, 1, h, w), at most 1, made once.

    Departures: the paper's text was not at hand, but for its abstract; the formula is told from
    memory and was not verified, nor was e, which stands for a small number of the paper. There s is
    what a net says that was trained on where people look. No such data is here: it is the contrast
    of the cell, the variance of what lies in it and half a cell around it, over the largest of the
    image; beyond the border the image counts as blank. Those of `TellingInWords`.

    Args:
        context: Shape of what is told before the first look, (0,) or (C, h, w).
        looks: How many looks there are.
        features: Width of what a glimpse, or a cell, is turned into.
        hidden: Units of the LSTM.
        embedding: Width of the vectors of words.
        each: Looks before each word.
        doubly: Price of the doubly stochastic penalty.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        context: tuple[int, ...],
        looks: int,
        features: int = 64,
        hidden: int = 128,
        embedding: int = 32,
        each: int = 1,
        doubly: float = 0.0,
    ):
        super().__init__(
            glimpse,
            classes,
            context=context,
            looks=looks,
            features=features,
            hidden=hidden,
            embedding=embedding,
            each=each,
            doubly=doubly,
        )
        self.encoder = Boosted(self.encoder, features, glimpse[1])


class Boosted(nn.Module):
    """Features of cells, boosted by how much each stands out: (B, C, H, W) -> (B, N, D)."""

    def __init__(self, encoder: nn.Module, features: int, side: int):
        super().__init__()
        self.encoder, self.side = encoder, side
        self.value = nn.Linear(features, features, bias=False)
        self.boost = nn.Linear(1, features, bias=False)
        nn.init.ones_(self.boost.weight)
        self.map = AttentionMap("spatial gate")

    def salient(self, image: Tensor) -> Tensor:
        """(B, 1, h, w): the variance of brightness about each cell, over the image's largest."""
        grey, wide = image.mean(1, keepdim=True), 2 * self.side
        padded = F.pad(grey, [self.side // 2] * 4)
        mean, square = (F.avg_pool2d(each, wide, self.side) for each in (padded, padded**2))
        spread = (square - mean**2).clamp_min(0)
        return spread / spread.amax((2, 3), keepdim=True).clamp_min(1e-6)

    def forward(self, image: Tensor) -> Tensor:
        stands_out = self.map(self.salient(image)).flatten(2).transpose(1, 2)
        factor = (F.relu(self.boost(stands_out)) + math.e).log()
        boosted: Tensor = self.value(self.encoder(image)) * factor
        return boosted
