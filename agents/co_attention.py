"""One-shot search by co-attention and co-excitation (Hsieh, Lo, Chen & Liu 2019, NeurIPS).

(arXiv:1911.12529.)
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.blocks.se import hidden_units
from hardattn.distributions import Delta
from hardattn.maps import AttentionMap, pooled
from hardattn.rollout import Decision
from hardattn.world import Observation

from .soft import CNN


class Pair(NamedTuple):
    """Features of a scene and of an example."""

    scene: Tensor  # (B, C, h, w)
    example: Tensor  # (B, C, h', w')


class MutualAttention(nn.Module):
    """Each of two feature maps attends to the other: a non-local block across them.

    A = softmax(theta(example)' phi(scene)) over the scene's places, A' the same over the example's;
    example + BN(W A g(scene)), scene + BN(V A' g(example)). Maps: A, (B, N', N), whose density is
    how much of the example attends to each place of the scene; and A', (B, N, N').
    """

    def __init__(self, channels: int):
        super().__init__()
        inner = max(1, channels // 2)
        self.theta = nn.Conv2d(channels, inner, 1)
        self.phi = nn.Conv2d(channels, inner, 1)
        self.g = nn.Conv2d(channels, inner, 1)
        self.to_example = nn.Sequential(nn.Conv2d(inner, channels, 1), nn.BatchNorm2d(channels))
        self.to_scene = nn.Sequential(nn.Conv2d(inner, channels, 1), nn.BatchNorm2d(channels))
        self.back = AttentionMap("pooled query", over=(-1,))
        self.map = AttentionMap("pooled query", over=(-1,))

    def forward(self, pair: Pair) -> Pair:
        scene, example = pair
        alike = self.theta(example).flatten(2).mT @ self.phi(scene).flatten(2)
        from_example = self.back(alike.mT.softmax(-1))
        from_scene = self.map(alike.softmax(-1), density=pooled(*scene.shape[2:]))
        shown, asked = (self.g(each).flatten(2) for each in pair)
        return Pair(
            scene + self.to_scene((asked @ from_example.mT).unflatten(2, scene.shape[2:])),
            example + self.to_example((shown @ from_scene.mT).unflatten(2, example.shape[2:])),
        )


class CoExcitation(nn.Module):
    """Both are multiplied by one gate, which squeezes the example: sigmoid(W2 relu(W1 mean)).

    Map: the gate, (B, C).
    """

    def __init__(self, channels: int, reduction: int):
        super().__init__()
        middle = hidden_units(channels, reduction)
        self.squeeze = nn.Linear(channels, middle)
        self.excite = nn.Linear(middle, channels)
        self.map = AttentionMap("channel gate")

    def forward(self, pair: Pair) -> Pair:
        squeezed = F.relu(self.squeeze(pair.example.mean((2, 3))))
        gate = self.map(torch.sigmoid(self.excite(squeezed)))[:, :, None, None]
        return Pair(pair.scene * gate, pair.example * gate)


class CoAttention(nn.Module):
    """Compares each place of a scene with an example, after each has attended to the other.

    One backbone makes features of both. `MutualAttention`, then `CoExcitation`. The mean of the
    scene's features in each of n x n regions and the mean of the example's go through a net of two
    layers, which says by a logit s how much the region shows what the example does. The answer is
    one of the n^2 regions, or the last, which stands for none of them and has the logit 0.

    Made for a world of one look that tells a picture as its cue (scene `query`) or as its context;
    and for the estimator `margin_ranking`, whose loss is the paper's. Without both of its parts it
    is its own control: a siamese network that correlates nothing before the two are compared.

    Departures: a small residual net for ResNet-50; n x n regions for proposals, so that no box is
    regressed; regions are pooled after co-excitation and see it, where the authors' proposals come
    from features before it; the net that compares is also shown the difference of both means and
    their product, for it has four classes to learn to compare from and not 60; attention is a
    softmax, for products over N, so that it is one; the scale of the batch norms behind it starts
    at 1, not at 0; the gate squeezes the mean alone.

    Args:
        cue: Shape of the example, (C, h, w), where a world tells it as a cue.
        context: Shape of the context, which is the example where there is no cue.
        attend: Let scene and example attend to each other.
        excite: Let the example gate the channels of both.
        zoom: Pixels a side that each pixel of the example becomes, as images in the scene have it.
        width: Channels of the backbone.
        hidden: Units of the net that compares.
        reduction: Channels to a unit of the middle layer of the gate.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        cue: tuple[int, ...] | None = None,
        context: tuple[int, ...] | None = None,
        attend: bool = True,
        excite: bool = True,
        zoom: int = 2,
        width: int = 32,
        hidden: int = 64,
        reduction: int = 16,
    ):
        super().__init__()
        self.cued, shown = cue is not None, cue or context or (0,)
        if len(shown) != 3 or shown[0] != glimpse[0]:
            raise ValueError(
                f"an example is a picture of as many channels as the scene, not of shape "
                f"{tuple(shown)}: take a scene that tells one, as query does, or a context that is "
                "a picture"
            )
        self.example, self.zoom, self.side = tuple(shown), zoom, math.isqrt(classes - 1)
        if self.side < 1 or self.side**2 + 1 != classes:
            raise ValueError(
                f"the answers are n x n regions and none of them, which {classes} are not: take a "
                "scene that asks so, as query does"
            )
        self.features = CNN(tuple(glimpse), width, width)
        self.attend: nn.Module = MutualAttention(width) if attend else nn.Identity()
        self.excite: nn.Module = CoExcitation(width, reduction) if excite else nn.Identity()
        self.compare = nn.Sequential(nn.Linear(4 * width, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def start(self, context: Tensor) -> Tensor:
        """The example, (B, C * h * w); a cue comes before all else."""
        told = context[:, :, 0, 0] if self.cued and context.dim() == 4 else context.flatten(1)
        return told[:, : math.prod(self.example)]

    def step(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
        example = state.unflatten(1, self.example)
        example = example.repeat_interleave(self.zoom, 3).repeat_interleave(self.zoom, 2)
        pair = Pair(self.features(seen.glimpse), self.features(example))
        scene, example = self.excite(self.attend(pair))
        regions = _regions(scene, self.side)
        asked = example.mean((2, 3))[:, None].expand_as(regions)
        both = torch.cat([regions, asked, regions * asked, (regions - asked).abs()], 2)
        logits = self.compare(both)[..., 0]
        nought = torch.zeros_like(seen.step)
        logits = torch.cat([logits, nought[:, None]], 1)
        return state, Decision(Delta(torch.zeros_like(seen.location)), logits, nought, nought)


def _regions(features: Tensor, side: int) -> Tensor:
    """(B, C, h, w) -> (B, side^2, C), the means over equal regions, row by row."""
    down, across = (
        torch.tensor(_shares(cells, side), dtype=features.dtype, device=features.device)
        for cells in features.shape[2:]
    )
    return (down @ features @ across.T).flatten(2).mT


def _shares(cells: int, parts: int) -> list[list[float]]:
    """How much each of so many equal parts of a line has of each cell, in shares of the part."""
    return [
        [
            max(0.0, min(cell + 1, (part + 1) * cells / parts) - max(cell, part * cells / parts))
            * parts
            / cells
            for cell in range(cells)
        ]
        for part in range(parts)
    ]
