"""Places whose numbers are bounded without being cut: tanh of normal ones, with its density."""

import math
from functools import lru_cache

import numpy
import torch
from torch import Tensor
from torch.distributions import constraints
from torch.nn import functional as F

from hardattn.distributions import Gaussian, LocationDistribution, full

NODES = 32  # of the quadrature over a normal number


class Squashed(LocationDistribution):
    """tanh(u), u independent normal numbers, as soft actor-critic has it (arXiv:1801.01290).

    log p(tanh u) = log N(u; mean, std^2) - sum log(1 - tanh(u)^2), with the draw as it is: neither
    a tanh without its derivative nor a clamp comes between a draw and its density. mean, std:
    (..., P), of u. The mode is tanh(mean), the median; entropy and mean are by Gauss-Hermite
    quadrature of 32 nodes. `log_prob` inverts a value, and takes one that single precision has
    rounded to 1 for the next below; `drawn` has no need to.
    """

    arg_constraints = {}
    has_rsample = True
    support = constraints.independent(constraints.interval(-1, 1), 1)

    def __init__(self, mean: Tensor, std: Tensor):
        self.before = Gaussian(mean, full(std))
        super().__init__(mean.shape[:-1], mean.shape[-1:], validate_args=False)

    @property
    def mode(self) -> Tensor:
        return torch.tanh(self.before.mean)

    @property
    def mean(self) -> Tensor:
        nodes, weights = self._nodes()
        return (torch.tanh(nodes) * weights).sum(-1)

    def draw(self, generator: torch.Generator | None = None) -> Tensor:
        return torch.tanh(self.before.draw(generator))

    def drawn(self, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """A draw and its log-density, both with their gradients."""
        u = self.before.draw(generator)
        return torch.tanh(u), self.before.log_prob(u) - slope(u).sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        most = 1 - torch.finfo(value.dtype).eps / 2
        u = torch.atanh(value.clamp(-most, most))
        return self.before.log_prob(u) - slope(u).sum(-1)

    def entropy(self) -> Tensor:
        nodes, weights = self._nodes()
        return self.before.entropy() + (slope(nodes) * weights).sum((-2, -1))

    def _nodes(self) -> tuple[Tensor, Tensor]:
        """Of each number before tanh (..., P, n) values, and what each counts, (n,)."""
        mean, std = self.before.mean[..., None], self.before.stddev[..., None]
        node, weight = (torch.tensor(each).to(mean) for each in _hermite())
        return mean + std * node, weight


def slope(u: Tensor) -> Tensor:
    """log(1 - tanh(u)^2), where tanh is too near to 1 for that as well."""
    return 2 * (math.log(2) - u - F.softplus(-2 * u))


@lru_cache(maxsize=1)
def _hermite() -> tuple[list[float], list[float]]:
    """Nodes and weights of the mean over a standard normal number."""
    node, weight = numpy.polynomial.hermite_e.hermegauss(NODES)
    return node.tolist(), (weight / weight.sum()).tolist()
