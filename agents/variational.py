"""Variational attention (Deng, Kim, Chiu, Guo, Rush 2018, arXiv:1807.03756)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from hardattn.distributions import Choice
from hardattn.layers import AdditiveScores, CellFeatures, attend
from hardattn.rollout import Decision
from hardattn.world import Observation


class Aligning(NamedTuple):
    """What one image gives: it does not change from look to look."""

    features: Tensor  # (B, N, D)
    query: Tensor  # (B, D)
    logits: Tensor  # (B, N) of the prior


class Variational(nn.Module):
    """One latent alignment z of an answer with a cell, and a posterior over it.

    p(z | x) = Choice(w' tanh(W a_n + U q)) with q = mean a; answer f(a_z), two layers; posterior
    q(z | x, y) alike, its query [q; embedding of the label]. For worlds of two looks that ask once,
    after the last. Its five objectives are estimators: soft_attention (log f(x, E z)),
    marginal_likelihood (log E f(x, z)), enumerated and soft_baseline (E log f(x, z), exact and
    sampled), variational_enumerated and variational_sampled (E_q log f(x, z) - KL(q || p)).
    In use the label is unknown and the guide is not called.

    glimpse: the shape of one cell. context: of the whole image.

    Departures: the paper translates and answers questions, where the query is a decoder's state or
    the question; here nothing is asked, so the query is what the image is on the whole, and f sees
    it through the cell alone. Posteriors of the paper read a whole sentence by an LSTM. The first
    look, which is the world's, is the mean feature. Its relaxed (Dirichlet) form is not here.
    """

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
        self.prior = AdditiveScores(features, features, hidden)
        self.posterior = AdditiveScores(features, 2 * features, hidden)
        self.label = nn.Embedding(classes, features)
        self.answer = nn.Sequential(
            nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, classes)
        )

    def start(self, context: Tensor) -> Aligning:
        features = self.encoder(context)
        query = features.mean(1)
        return Aligning(features, query, self.prior(self.prior.keys(features), query))

    def step(self, state: Aligning, seen: Observation) -> tuple[Aligning, Decision]:
        z = attend(state.features, seen.location, seen.step)
        nought = torch.zeros_like(seen.step)
        return state, Decision(Choice(state.logits), self.answer(z), nought, nought)

    def guide(self, state: Aligning, target: Tensor) -> Choice:
        """The posterior q(z | x, y): targets (B,) -> over the next cell."""
        query = torch.cat([state.query, self.label(target)], 1)
        return Choice(self.posterior(self.posterior.keys(state.features), query))
