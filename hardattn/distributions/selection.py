"""Several of N cells at once: their distribution, and how a gradient passes the choice of the best.

A place is K slots, one after the other, each with weights over the N cells: (B, K * N). Of a draw
each slot holds one cell.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from hardattn.distributions import LocationDistribution


class Subset(LocationDistribution):
    """K of N cells in the order in which they are drawn, with probabilities softmax(logits).

    Without replacement each is drawn from those that are left (Plackett and Luce); with it, from
    all. logits: (B, N). A value is (B, K * N), K one-hot rows; `log_prob` takes the largest weight
    of each row. The mode is the K likeliest cells, the likeliest first; with replacement K times
    the likeliest.
    """

    arg_constraints = {}

    def __init__(self, logits: Tensor, count: int, replacement: bool = False):
        if not 1 <= count <= logits.shape[-1]:
            raise ValueError(f"of {logits.shape[-1]} cells 1 or more can be chosen, not {count}")
        self.logits, self.count, self.replacement = logits.log_softmax(-1), count, replacement
        width = count * logits.shape[-1]
        super().__init__(logits.shape[:-1], torch.Size([width]), validate_args=False)

    def over(self, cells: Tensor) -> Tensor:
        """(..., K) int64 -> (..., K * N), a one-hot row each."""
        return F.one_hot(cells, self.logits.shape[-1]).to(self.logits.dtype).flatten(-2)

    @property
    def mode(self) -> Tensor:
        if self.replacement:
            best = self.logits.argmax(-1, keepdim=True)
            return self.over(best.expand(*self.batch_shape, self.count))
        return self.over(self.logits.topk(self.count, -1).indices)

    @property
    def mean(self) -> Tensor:
        """With replacement the probabilities, in each slot; else there is no closed form."""
        if not self.replacement:
            raise NotImplementedError("the mean of a choice without replacement has no closed form")
        slots = self.logits.exp()[..., None, :].expand(*self.batch_shape, self.count, -1)
        return slots.flatten(-2)

    def draw(self, generator: torch.Generator | None = None) -> Tensor:
        # The largest of logits with Gumbel noise are a draw without replacement, in its order.
        if self.replacement:
            return self.over(self._perturbed((self.count,), generator).argmax(-1))
        return self.over(self._perturbed((), generator).topk(self.count, -1).indices)

    def _perturbed(self, times: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
        logits = self.logits if not times else self.logits[..., None, :]
        shape = (*self.batch_shape, *times, self.logits.shape[-1])
        noise = self.logits.new_empty(shape).exponential_(generator=generator)
        return logits - noise.clamp_min(torch.finfo(noise.dtype).tiny).log()

    def log_prob(self, value: Tensor) -> Tensor:
        rows = value.detach().unflatten(-1, (self.count, -1))
        each = self.logits.gather(-1, rows.argmax(-1))
        if self.replacement:
            return each.sum(-1)
        taken = (each.exp().cumsum(-1) - each.exp()).clamp_max(1 - torch.finfo(each.dtype).eps)
        return (each - torch.log1p(-taken)).sum(-1)

    def entropy(self) -> Tensor:
        """Of what is drawn first, times K: exact with replacement, and else never too small."""
        return -self.count * (self.logits.exp() * self.logits).sum(-1)


def perturbed_top_k(scores: Tensor, count: int, noise: Tensor, sigma: float) -> Tensor:
    """The mean choice of the `count` best under noise: (B, count, N), the cells of each in order.

    Y = mean_s top(scores + sigma noise_s), of noise (B, S, N) that is standard normal. Slot k of
    `top` holds the k-th of the best, from the first cell to the last, so that a slot changes
    little where scores do. The gradient is that of E[Y] (Berthet et al. 2020, arXiv:2002.08676;
    Cordonnier et al. 2021, arXiv:2104.03059): dE[Y_kn] / dscore_j = E[Y_kn noise_j] / sigma,
    estimated by the same noise.
    """
    found: Tensor = _Perturbed.apply(scores, count, noise, sigma)
    return found


def check_shapes(agent: str, glimpse: tuple[int, ...], context: tuple[int, ...]) -> None:
    """Raise ValueError unless that agent sees several patches and is told a view of the image."""
    if len(glimpse) != 4 or len(context) != 3:
        raise ValueError(
            f"{agent} looks at several patches and is told a view of the image: choose the sensor "
            f"'several' and the context 'coarse', not {tuple(glimpse)} and {tuple(context)}"
        )


def best(scores: Tensor, count: int) -> Tensor:
    """(..., N) -> (..., count) int64: the best cells, from the first to the last."""
    return scores.topk(count, -1, sorted=False).indices.sort(-1).values


class _Perturbed(torch.autograd.Function):
    """Never makes the Jacobian of count * N by N: only its product with what comes back."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, count: int, noise: Tensor, sigma: float) -> Tensor:
        cells = best(torch.add(scores[:, None], noise, alpha=sigma), count).transpose(1, 2)
        ctx.save_for_backward(cells, noise)
        ctx.sigma, samples = sigma, noise.shape[1]
        mean = scores.new_zeros(len(scores), count, scores.shape[1])
        share = torch.full_like(cells, 1 / samples, dtype=scores.dtype)
        return mean.scatter_add_(2, cells, share)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        cells, noise = ctx.saved_tensors
        # What each sample's choice is worth, (B, S), and what moved it there.
        worth = gradients[0].gather(2, cells).sum(1)
        weight = worth / (noise.shape[1] * ctx.sigma)
        return (weight[:, None] @ noise)[:, 0], None, None, None
