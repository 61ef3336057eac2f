"""Bayesian attention modules (Fan, Zhang, Chen, Zhou 2020, arXiv:2010.10604)."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from hardattn.blocks.multi_head import MultiHead
from hardattn.maps import charge
from hardattn.noise import drawing, normal, uniform

EULER = 0.5772156649015329


def kl_weibull_gamma(
    k: float, log_scale: Tensor, log_alpha: Tensor, beta: float, mean: Tensor | float | None = None
) -> Tensor:
    """KL(Weibull(k, scale) || Gamma(alpha, beta)) in closed form; beta is a rate.

    = g alpha / k - alpha log scale + log k + beta mean - g - 1 - alpha log beta + log Gamma(alpha),
    where mean = scale Gamma(1 + 1/k) and g is Euler's constant. Shapes broadcast. Scale and alpha
    come by their logarithms, since they may be too small for a number.

    mean: where it is known without an exponential. The divergence is linear in it and in the log
    scale: of Weibulls that share k and the prior, averages of both give the average divergence.
    """
    alpha = log_alpha.exp()
    if mean is None:
        mean = math.gamma(1 + 1 / k) * log_scale.exp()
    log_gamma = torch.lgamma(1 + alpha) - log_alpha  # finite where alpha underflows
    rest = math.log(k) - EULER - 1 + log_gamma
    return rest + alpha * (EULER / k - math.log(beta) - log_scale) + beta * mean


def kl_log_normal(mean: Tensor, std: float, prior_mean: Tensor, prior_std: float) -> Tensor:
    """KL(LogNormal(mean, std) || LogNormal(prior_mean, prior_std)), moments of the logarithms.

    = log(prior_std / std) + (std^2 + (mean - prior_mean)^2) / (2 prior_std^2) - 1/2, which is that
    of the normal distributions of the logarithms. Shapes broadcast.
    """
    rest = math.log(prior_std / std) + std**2 / (2 * prior_std**2) - 0.5
    return rest + (mean - prior_mean).square() * (0.5 / prior_std**2)


def annealed(updates: Tensor, rate: float, midpoint: float) -> Tensor:
    """The share of its price that a divergence costs: sigmoid(rate (updates - midpoint))."""
    return torch.sigmoid(rate * (updates - midpoint))


class BayesianAttention(MultiHead):
    """Multi-head attention with weights drawn: S_ij > 0 at random, then W_ij = S_ij / sum_j S_ij.

    (B, C, H, W) -> same. Map: W, (B, heads, N, N), rows sum to one. E[S] = A, the weights of
    `MultiHead`, by which evaluation goes. The prior of S_ij knows key j and not who asks: its mean
    is softmax_j(w' relu(V k_j + b)), of one net with `hidden` units for all heads.

    In training it charges price * rho_t * KL(S || prior), averaged over heads, queries and keys;
    rho_t = sigmoid(rate (t - midpoint)), where t counts forward passes in training. Which
    distribution it is, `draw` and `divergence` say.

    Departures, the first two those of the authors' code: A takes the place of exp(logit), which
    leaves W as it is, and S is not charged for a scale that W does not depend on. An average takes
    the place of the sum in the paper's bound, and does not grow with the map. Their rho_t has
    midpoint 0 and t in epochs. w has no bias, which would cancel. The price is one more: at 1 the
    charge outweighs the task, and attention stays flat; at 0.01 its gradient in Q and K was about
    a tenth of the task's, when a network began to learn.

    Args:
        heads: How many attend side by side.
        positions: Add where a place is to what is there.
        hidden: Units of the prior's net.
        price: What the divergence is multiplied by.
        rate: Of the growth of the divergence's weight, an update.
        midpoint: The update at which the divergence counts half.
    """

    updates: Tensor

    def __init__(
        self,
        channels: int,
        *,
        heads: int = 4,
        positions: bool = True,
        hidden: int = 10,
        price: float = 0.01,
        rate: float = 0.02,
        midpoint: float = 200,
    ):
        super().__init__(channels, heads=heads, positions=positions)
        self.price, self.rate, self.midpoint = price, rate, midpoint
        self.prior = nn.Sequential(
            nn.Linear(channels // heads, hidden), nn.ReLU(), nn.Linear(hidden, 1, bias=False)
        )
        # An integer, which stays one in half precision: that cannot count beyond 256.
        self.register_buffer("updates", torch.zeros((), dtype=torch.long))

    def draw(self, log_mean: Tensor) -> Tensor:
        """log E[S] -> log S, up to a constant; (B, heads, N, N) -> same."""
        raise NotImplementedError

    def divergence(self, log_mean: Tensor, log_prior: Tensor) -> Tensor:
        """log E[S], (B, heads, N, N), and log of the prior's mean, (B, heads, 1, N) -> KL.

        Of each S or averaged over queries: (B, heads, N or 1, N).
        """
        raise NotImplementedError

    def weights(self, query: Tensor, key: Tensor) -> Tensor:
        if not drawing(self):
            return super().weights(query, key)
        log_mean = (query / query.shape[3] ** 0.5 @ key.transpose(2, 3)).log_softmax(-1)
        if self.training:
            log_prior = self.prior(key).transpose(2, 3).log_softmax(-1)
            share = annealed(self.updates, self.rate, self.midpoint)
            charge(self.price * share * self.divergence(log_mean, log_prior).mean((1, 2, 3)))
            self.updates += 1
        return self.draw(log_mean).softmax(-1)


class BayesianWeibull(BayesianAttention):
    """S ~ Weibull(k, A / Gamma(1 + 1/k)), S = scale (-log(1 - u))^(1/k); prior Gamma(alpha, beta).

    The rest is `BayesianAttention`. k: log S has a standard deviation of 1.28 / k. The prior has
    alpha = beta softmax_j(...) and beta = concentration * N, so that its mean is the softmax, and
    alpha is the concentration on average, however large the map is.

    Departures: the authors' code has a constant beta, by default 1. Then alpha is about 1 / N,
    log Gamma(alpha) outweighs all else that the prior's net is told, and the prior stays flat.

    Args:
        k: Shape of the Weibull distribution; the larger, the less it varies.
        concentration: Shape of the gamma prior.
    """

    def __init__(
        self, channels: int, *, k: float = 10.0, concentration: float = 1.0, **options: Any
    ):
        if not (k > 0 and concentration > 0):
            raise ValueError(f"k and concentration are above 0, not {k} and {concentration}")
        super().__init__(channels, **options)
        self.k, self.concentration = k, concentration

    def draw(self, log_mean: Tensor) -> Tensor:
        # u = 0 does come, and stands for all below the smallest step: log S stays finite.
        step = torch.finfo(log_mean.dtype).eps / 2
        exponential = uniform(log_mean).neg_().log1p_().neg_().clamp_min_(step)
        return log_mean + exponential.log_().div_(self.k)

    def divergence(self, log_mean: Tensor, log_prior: Tensor) -> Tensor:
        places = log_mean.shape[3]
        beta = self.concentration * places
        # Queries share a prior, so they are averaged first; the mean of A is 1 / N whatever it is.
        log_scale = log_mean.mean(2, keepdim=True) - math.lgamma(1 + 1 / self.k)
        log_alpha = log_prior + math.log(beta)
        return kl_weibull_gamma(self.k, log_scale, log_alpha, beta, 1 / places)


class BayesianLogNormal(BayesianAttention):
    """S = exp(log A - std^2 / 2 + std e), e standard normal; the prior is log-normal, too.

    The rest is `BayesianAttention`. std, prior_std: of log S and of its prior, whose mean is such
    that the mean of S is the softmax.

    Departures: in the authors' code the softmax is the median.

    Args:
        std: Of the logarithm of a weight.
        prior_std: The same of the prior.
    """

    def __init__(self, channels: int, *, std: float = 1.0, prior_std: float = 1.0, **options: Any):
        if not (std > 0 and prior_std > 0):
            raise ValueError(f"std and prior_std are above 0, not {std} and {prior_std}")
        super().__init__(channels, **options)
        self.std, self.prior_std = std, prior_std

    def draw(self, log_mean: Tensor) -> Tensor:
        return log_mean + normal(log_mean).mul_(self.std)

    def divergence(self, log_mean: Tensor, log_prior: Tensor) -> Tensor:
        # The means of log S are lower by half a variance; both on the side that queries share.
        log_prior = log_prior + (self.std**2 - self.prior_std**2) / 2
        return kl_log_normal(log_mean, self.std, log_prior, self.prior_std)
