"""The cross attention network (Hou, Chang, Ma, Shan & Chen 2019, NeurIPS, arXiv:1910.07677)."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.distributions import Delta
from hardattn.maps import AttentionMap, Density
from hardattn.rollout import Decision
from hardattn.world import Observation

from .soft import CNN


class Compared(NamedTuple):
    """What an estimator may ask of a comparison, beside its answer."""

    by_place: Tensor  # (B, N, P) logits of the classes, place by place of the query
    attended: Tensor  # (B, N, P, D) the query's features, as they were attended to for each class


class CrossAttentionMaps(nn.Module):
    """Where the features of two images are to be looked at, so that they can be compared.

    R_ij is the cosine of place i of one and place j of the other. A meta-learner of two layers,
    P -> P / 6 -> P with a batch norm between, makes of the mean of R over i a weight w_j for each
    j; a_i = softmax_i(mean_j(w_j R_ij) / T). The paper has 36 places: 36 -> 6 -> 36.

    (B, N, P, D) features of classes, of queries -> (B, N, P) maps of both, which sum to one.
    """

    def __init__(self, places: int, reduction: int, temperature: float):
        super().__init__()
        middle = max(6, places // reduction)
        self.first, self.norm = nn.Linear(places, middle), nn.BatchNorm1d(middle)
        self.second = nn.Linear(middle, places)
        self.temperature = temperature
        for layer in (self.first, self.second):
            nn.init.normal_(layer.weight, std=math.sqrt(2 / layer.out_features))

    def forward(self, support: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
        alike = F.normalize(support, dim=3) @ F.normalize(query, dim=3).mT
        return self._map(alike), self._map(alike.mT)

    def _map(self, alike: Tensor) -> Tensor:
        middle = self.norm(self.first(alike.mean(2)).flatten(0, 1)).relu()
        weight = self.second(middle).unflatten(0, alike.shape[:2])
        return ((alike * weight[:, :, None]).mean(3) / self.temperature).softmax(2)


class CrossAttention(nn.Module):
    """Tells by N classes of a few images each which of them one more image is of.

    The mean of a class's features, place by place, and those of the query attend to each other,
    once for each class (`CrossAttentionMaps`): p (1 + a_p), q (1 + a_q). The logit of a class is 7
    times the cosine of the means over places. It knows the table that scene `few_shot` lays: the
    query in the middle of the first row, and below it a column for each class. Maps: a_p and a_q of
    each class, (B, 2 N, P); their density lies where the images lie, on the query the mean over
    classes.

    Made for a world of one look and the estimator `cross_attention`, which teaches it as the paper
    does: each place of the query to be nearest to the mean of its class, and to be told which of
    all classes of the training it is of. Without attention, a = 0, it is a prototypical network
    (Snell et al. 2017, arXiv:1703.05175) by cosines, taught by the same losses: the control.

    Departures: a small residual net of half the depth for ResNet-12, whose features have 6 x 6
    places where cells of the table have 24 pixels; inductive inference alone.

    Args:
        shots: Images of each class, the scene's.
        attend: Let a class and the query attend to each other.
        named: How many classes scenes show, of which training names some.
        temperature: By which scores are divided before their softmax over places.
        reduction: Places to a unit of the middle layer of the meta-learner, of which it has 6 at
            least.
        scale: By which cosines are multiplied.
        width: Channels of the backbone.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        shots: int = 1,
        attend: bool = True,
        named: int = 10,
        temperature: float = 0.025,
        reduction: int = 6,
        scale: float = 7.0,
        width: int = 32,
    ):
        super().__init__()
        if len(glimpse) != 3 or glimpse[1] < 1 + shots or glimpse[2] < classes:
            raise ValueError(
                f"a table of {1 + shots} rows and {classes} columns is cut from a picture, which "
                f"{tuple(glimpse)} is not: take scene few_shot of as many shots and sensor whole"
            )
        self.ways, self.shots, self.scale, self.width = classes, shots, scale, width
        self.cell = glimpse[1] // (1 + shots), glimpse[2] // classes
        self.features = CNN((glimpse[0], *self.cell), width, width)
        self.grid = tuple(((side + 1) // 2 + 1) // 2 for side in self.cell)
        places = math.prod(self.grid)
        self.attend = CrossAttentionMaps(places, reduction, temperature) if attend else None
        self.map = AttentionMap("pooled query", over=(-1,))
        self.classifier = nn.Linear(width, named)

    def start(self, context: Tensor) -> Compared:
        by_place = context.new_zeros(len(context), self.ways, math.prod(self.grid))
        return Compared(by_place, by_place[..., None].expand(-1, -1, -1, self.width).clone())

    def step(self, state: Compared, seen: Observation) -> tuple[Compared, Decision]:
        support, query = self._cut(seen.glimpse)
        query = query[:, None].expand_as(support)
        if self.attend is not None:
            maps = torch.cat(self.attend(support, query), 1)
            maps = self.map(maps, density=self._table())[..., None]
            of_support, of_query = maps.split(self.ways, 1)
            support, query = support * (1 + of_support), query * (1 + of_query)
        means = F.normalize(support.mean(2), dim=2)
        near = self.scale * (F.normalize(query, dim=3) @ means[..., None])[..., 0]
        logits = self.scale * (F.normalize(query.mean(2), dim=2) * means).sum(2)
        nought = torch.zeros_like(seen.step)
        place = Delta(torch.zeros_like(seen.location))
        return Compared(near, query), Decision(place, logits, nought, nought)

    def named(self, attended: Tensor) -> Tensor:
        """(B, P, D) -> (B, P, labels): of which class each place of a query is said to be."""
        return self.classifier(attended)

    def _cut(self, table: Tensor) -> tuple[Tensor, Tensor]:
        """A table (B, C, H, W) -> (B, N, P, D) means of classes and (B, P, D) of the query."""
        height, width = self.cell
        left = (self.ways - 1) * width // 2
        asked = table[:, :, :height, left : left + width]
        shown = table[:, :, height : (1 + self.shots) * height, : self.ways * width]
        shown = shown.unflatten(3, (self.ways, width)).unflatten(2, (self.shots, height))
        shown = shown.permute(0, 2, 4, 1, 3, 5)
        cells = torch.cat([asked[:, None], shown.flatten(1, 2)], 1)
        found = self.features(cells.flatten(0, 1)).flatten(2).mT.unflatten(0, cells.shape[:2])
        return found[:, 1:].unflatten(1, (self.shots, self.ways)).mean(1), found[:, 0]

    def _table(self) -> Density:
        """Maps (B, 2 N, P) -> (B, h, w), where on the table they are; each cell in half cells."""
        ways, shots, (rows, columns) = self.ways, self.shots, self.grid

        def density(maps: Tensor) -> Tensor:
            every = maps.unflatten(2, (rows, columns)).repeat_interleave(2, 3)
            support, query = every[:, :ways], every[:, ways:].mean(1)
            beside = (ways - 1) * columns
            first = F.pad(query, (beside, beside))
            below = support.movedim(1, 2).flatten(2).repeat(1, shots, 1)
            return torch.cat([first, below], 1)

        return density
