"""Variational attention (Deng, Kim, Chiu, Guo, Rush 2018, arXiv:1807.03756)."""

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from hardattn.distributions import LocationDistribution
from hardattn.nn.layers import CellFeatures, attend
from hardattn.rollout import Decision
from hardattn.stochastic.cell_attention import Alignment, CategoricalAlignment, DirichletAlignment
from hardattn.world import Observation


class Aligning(NamedTuple):
    """What one image gives: it does not change from look to look."""

    features: Tensor  # (B, N, D)
    query: Tensor  # (B, D)
    scores: Tensor  # (B, N) of the prior


class Variational(nn.Module):
    """One latent alignment z of an answer with a cell, and a posterior over it.

    p(z | x) and q(z | x, y) are a `CategoricalAlignment` of the query q = mean a with the features
    a of the cells; the answer is f(a_z), two layers. For worlds of two looks that ask once, after
    the last. Its objectives are estimators: soft_attention (log f(x, E z)), marginal_likelihood
    (log E f(x, z)), enumerated and soft_baseline (E log f(x, z), exact and sampled), and
    variational_enumerated, variational_sampled and variational_gumbel (E_q log f(x, z) -
    KL(q || p), exact, sampled and relaxed). In use the label is unknown and no guide is called.

    glimpse: the shape of one cell. context: of the whole image.

    Departures: the paper translates and answers questions, where the query is a decoder's state or
    the question; here nothing is asked, so the query is what the image is on the whole, and f sees
    it through the cell alone. The first look, which is the world's, is the mean feature.

    Args:
        context: Shape of what is told before the first look, (0,) or (C, h, w).
        features: Width of what a glimpse, or a cell, is turned into.
        hidden: Units of the hidden layers.
    """

    layer: ClassVar[type[Alignment]] = CategoricalAlignment

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        context: tuple[int, ...],
        features: int = 64,
        hidden: int = 128,
    ):
        super().__init__()
        self.encoder = CellFeatures(context, glimpse[1:], features)
        self.alignment = self.layer(features, features, classes, hidden=hidden)
        self.answer = nn.Sequential(
            nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, classes)
        )

    def start(self, context: Tensor) -> Aligning:
        features = self.encoder(context)
        query = features.mean(1)
        return Aligning(features, query, self.alignment(features, query))

    def step(self, state: Aligning, seen: Observation) -> tuple[Aligning, Decision]:
        z = attend(state.features, seen.location, seen.step)
        nought = torch.zeros_like(seen.step)
        prior = self.alignment.places(state.scores)
        return state, Decision(prior, self.answer(z), nought, nought)

    def guide(self, state: Aligning, target: Tensor) -> LocationDistribution:
        """The posterior q(z | x, y): targets (B,) -> over the next cell."""
        scores = self.alignment(state.features, state.query, target)
        return self.alignment.places(scores)


class VariationalDirichlet(Variational):
    """The same with relaxed alignment: z is weights of all cells, and the answer f(sum z_n a_n).

    p(z | x) and q(z | x, y) are a `DirichletAlignment`, for the estimator variational_pathwise. The
    mean of the prior is soft attention, and so is a look by the draw "soft"; the mean answer of
    several sampled episodes is p(y | x) by Monte Carlo, which is the paper's.
    """

    layer = DirichletAlignment
