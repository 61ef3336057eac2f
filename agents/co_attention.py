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
from hardattn.scenes import SIDES
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


class Boxes(nn.Module):
    """Features (B, D, h, w) and (B, D, h', w') -> (B, n^2, N) of boxes, (B, N) of the example.

    A box is as high and as wide as the example, or as half of the scene, if that is less.

    scene, example: (h, w) and (h', w'). parts: n.
    """

    scene_rows: Tensor
    scene_columns: Tensor
    example_rows: Tensor
    example_columns: Tensor

    def __init__(self, scene: tuple[int, int], example: tuple[int, int], parts: int):
        super().__init__()
        self.parts = parts
        for name, cells, own in zip(("rows", "columns"), scene, example, strict=True):
            side = min(own, max(1, cells // 2))
            bins = [(at + i, at + i + 1) for at in _starts(cells, side, parts) for i in range(side)]
            whole = [(i * own / side, (i + 1) * own / side) for i in range(side)]
            self.register_buffer(f"scene_{name}", _shares(bins, cells), persistent=False)
            self.register_buffer(f"example_{name}", _shares(whole, own), persistent=False)

    def forward(self, scene: Tensor, example: Tensor) -> tuple[Tensor, Tensor]:
        cut = self.scene_rows @ scene @ self.scene_columns.mT
        boxes = cut.unflatten(3, (self.parts, -1)).unflatten(2, (self.parts, -1))
        asked = self.example_rows @ example @ self.example_columns.mT
        return boxes.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2), asked.flatten(1)


def _starts(cells: int, side: int, parts: int) -> list[float]:
    """Where boxes begin on a line: as the places of scene `query` do, others evenly spread."""
    if parts == SIDES:
        half = cells / 2
        return [0, half - side, half, cells - side]
    return [i * (cells - side) / max(1, parts - 1) for i in range(parts)]


def _shares(bins: list[tuple[float, float]], cells: int) -> Tensor:
    """(bins, cells): how much each stretch of a line has of each cell, in shares of the stretch."""
    return torch.tensor(
        [
            [max(0.0, min(cell + 1, end) - max(cell, at)) / (end - at) for cell in range(cells)]
            for at, end in bins
        ]
    )


def _quarter(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of the features of such a picture."""
    return ((height + 1) // 2 + 1) // 2, ((width + 1) // 2 + 1) // 2


class CoAttention(nn.Module):
    """Compares each place of a scene with an example, after each has attended to the other.

    One backbone makes features of both. `MutualAttention`, then `CoExcitation`. The features in
    each of n x n boxes as large as the example, and the example's, are embedded place by place; the
    logit of a box is a learned multiple of the cosine of both, less a learned threshold. The answer
    is one of the n^2 boxes, or the last, which stands for none of them and has the logit 0.

    Made for a world of one look that tells a picture as its cue (scene `query`, whose places the
    boxes are) or as its context; and for the estimator `margin_ranking`, whose loss is the paper's.
    Without both of its parts it is its own control, a siamese network that correlates.

    Departures: a small residual net for ResNet-50; the places of the scene for proposals, so that
    no box is regressed, and they are cut after co-excitation, where the authors' proposals come
    from features before it. A cosine compares, for a net of two layers on both means side by side:
    that net learned to recognise the four classes of training and found no other. Attention is a
    softmax, for products over N, so that it is one; the scale of the batch norms behind it starts
    at 1, not at 0; the gate squeezes the mean alone.

    Args:
        cue: Shape of the example, (C, h, w), where a world tells it as a cue.
        context: Shape of the context, which is the example where there is no cue.
        attend: Let scene and example attend to each other.
        excite: Let the example gate the channels of both.
        enlarge: Pixels a side that each pixel of the example becomes, as in the scene.
        width: Channels of the backbone.
        embedding: Numbers that each place is compared by.
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
        enlarge: int = 2,
        width: int = 32,
        embedding: int = 32,
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
        self.example, self.enlarge, self.side = tuple(shown), enlarge, math.isqrt(classes - 1)
        if self.side < 1 or self.side**2 + 1 != classes:
            raise ValueError(
                f"the answers are n x n boxes and none of them, which {classes} are not: take a "
                "scene that asks so, as query does"
            )
        self.features = CNN(tuple(glimpse), width, width)
        self.attend: nn.Module = MutualAttention(width) if attend else nn.Identity()
        self.excite: nn.Module = CoExcitation(width, reduction) if excite else nn.Identity()
        self.embed = nn.Conv2d(width, embedding, 1, bias=False)
        large = _quarter(*(enlarge * side for side in shown[1:]))
        self.boxes = Boxes(_quarter(*glimpse[1:]), large, self.side)
        self.scale = nn.Parameter(torch.tensor(10.0))
        self.threshold = nn.Parameter(torch.tensor(5.0))

    def start(self, context: Tensor) -> Tensor:
        """The example, (B, C * h * w); a cue comes before all else."""
        told = context[:, :, 0, 0] if self.cued and context.dim() == 4 else context.flatten(1)
        return told[:, : math.prod(self.example)]

    def step(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
        shown = state.unflatten(1, self.example)
        shown = shown.repeat_interleave(self.enlarge, 3).repeat_interleave(self.enlarge, 2)
        pair = Pair(self.features(seen.glimpse), self.features(shown))
        scene, example = (self.embed(each) for each in self.excite(self.attend(pair)))
        boxes, asked = self.boxes(scene, example)
        alike = (F.normalize(boxes, dim=2) * F.normalize(asked, dim=1)[:, None]).sum(2)
        nought = torch.zeros_like(seen.step)
        logits = torch.cat([self.scale * alike - self.threshold, nought[:, None]], 1)
        return state, Decision(Delta(torch.zeros_like(seen.location)), logits, nought, nought)
