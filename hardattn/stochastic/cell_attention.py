"""Variational attention (Deng, Kim, Chiu, Guo, Rush 2018, arXiv:1807.03756), as a layer.

One latent alignment z of a query with N cells: a prior over it, p(z | x), and for training a
posterior that knows the answer, q(z | x, y). With an answer p(y | x, z) they are a model, whose
evidence bound E_q[log p(y | x, z)] - KL(q || p) `hardattn.estimators.variational` descends.
"""

import torch
from torch import Tensor, nn

from hardattn.distributions import Categorical, Dirichlet, LocationDistribution
from hardattn.nn.layers import AdditiveScores


class Alignment(nn.Module):
    """Scores of cells; a subclass says in `places` what distribution they stand for.

    Additive scores (Bahdanau et al. 2015), w' tanh(W a_n + U q), with weights of their own for the
    posterior, whose query is [q; embedding of the label].

    features, query: widths of a cell's features and of the query. classes: how many labels.

    Departures: of the paper's posteriors one multiplies features and query by gates that the label
    sets, and one reads a whole sentence by an LSTM.
    """

    def __init__(self, features: int, query: int, classes: int, *, hidden: int = 128):
        super().__init__()
        self.prior = AdditiveScores(features, query, hidden)
        self.posterior = AdditiveScores(features, query + features, hidden)
        self.label = nn.Embedding(classes, features)

    def forward(self, features: Tensor, query: Tensor, label: Tensor | None = None) -> Tensor:
        """(B, N, D), (B, Q) -> (B, N) scores of the prior; told the labels (B,), the posterior's.

        Scores rather than the distribution that they make: a state can carry a tensor.
        """
        if label is None:
            return self.prior(self.prior.keys(features), query)
        told = torch.cat([query, self.label(label)], 1)
        return self.posterior(self.posterior.keys(features), told)

    def places(self, scores: Tensor) -> LocationDistribution:
        """(B, N) scores -> a distribution over weights of the cells, event (N,)."""
        raise NotImplementedError


class CategoricalAlignment(Alignment):
    """z is one cell, with probability softmax(scores)."""

    def places(self, scores: Tensor) -> Categorical:
        return Categorical(scores)


class DirichletAlignment(Alignment):
    """z is weights of all cells, with concentration exp(scores): relaxed alignment.

    Its mean is softmax(scores), which is soft attention; the larger the sum of exp(scores), the
    nearer draws are to it.

    Departures: scores pass bound * tanh(scores / bound) first, because a divergence is a small
    difference of large numbers: where concentrations are a million, float32 misses it by many nats.
    And the posterior's scores are added to the prior's, as the logarithms of a likelihood and a
    prior are: a posterior of its own begins so far from a prior that has learned that nearing each
    other undoes what was learned.
    """

    bound = 8.0

    def forward(self, features: Tensor, query: Tensor, label: Tensor | None = None) -> Tensor:
        scores = super().forward(features, query)
        return scores if label is None else scores + super().forward(features, query, label)

    def places(self, scores: Tensor) -> Dirichlet:
        return Dirichlet((self.bound * torch.tanh(scores / self.bound)).exp())
