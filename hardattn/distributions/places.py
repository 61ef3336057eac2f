"""Distributions over places, and over stopping, that draw from an explicit generator.

torch.distributions draws from the global generator only, and checks its arguments by reading
tensors back to the host; neither fits a step that must resume to the bit and never synchronise.
Each class here is a torch distribution (so `kl_divergence`, `entropy`, `log_prob` work) with one
method more, `draw(generator)`, and argument checks off. Where a class can put those of many looks
`together`, densities and entropies are worked out for all of them at once.
"""

import math
from collections.abc import Callable, Sequence
from typing import Self

import torch
from torch import Tensor
from torch.distributions import (
    Distribution,
    constraints,
    register_kl,
)
from torch.nn import functional as F


def full(x: Tensor) -> Tensor:
    """x in single precision at least: what is drawn from, weighed or lost may have no less."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


class LocationDistribution(Distribution):
    """What a `Decision.location` is: a distribution with event (P,), or () for stopping.

    `draw` returns a value that carries a gradient where the distribution has a pathwise one.
    """

    def draw(self, generator: torch.Generator | None = None) -> Tensor:
        """One value a row of the batch, (B, P)."""
        raise NotImplementedError

    def mode_or_draw(self, generator: torch.Generator | None = None) -> Tensor:
        """The most probable value; of a distribution that has none, a draw."""
        try:
            return self.mode
        except NotImplementedError:
            return self.draw(generator)

    @classmethod
    def together(cls, several: Sequence[Self]) -> "LocationDistribution | None":
        """These T distributions of batch (B,) as one of (T, B); None where there is no such."""
        return None


class Gaussian(LocationDistribution):
    """Independent normal coordinates around a mean; the policy of Mnih et al. (2014).

    mean: (..., P). std: a number, or anything that broadcasts against the mean. Values are not
    bounded: the world decides what a place outside the image shows. All in closed form: a policy
    is made at every look.
    """

    arg_constraints = {}
    has_rsample = True
    support = constraints.real_vector

    def __init__(self, mean: Tensor, std: Tensor | float):
        self.centre, self.std = full(mean), full(std) if isinstance(std, Tensor) else std
        super().__init__(mean.shape[:-1], mean.shape[-1:], validate_args=False)

    @property
    def mode(self) -> Tensor:
        return self.centre

    @property
    def mean(self) -> Tensor:
        return self.centre

    @property
    def stddev(self) -> Tensor:
        """(..., P)."""
        if isinstance(self.std, Tensor):
            return self.std.expand_as(self.centre)
        return torch.full_like(self.centre, self.std)

    def draw(self, generator: torch.Generator | None = None) -> Tensor:
        # Not empty_like, here and below: noise would be filled in the order of the strides.
        noise = self.centre.new_empty(self.centre.shape).normal_(generator=generator)
        if isinstance(self.std, Tensor):
            return self.centre + self.std * noise
        return torch.add(self.centre, noise, alpha=self.std)

    def log_prob(self, value: Tensor) -> Tensor:
        apart = value - self.centre
        if isinstance(self.std, Tensor):
            density = -(apart**2) / (2 * self.std**2) - self.std.log()
            return (density - math.log(math.sqrt(2 * math.pi))).sum(-1)
        nats = self.event_shape[0] * (math.log(self.std) + 0.5 * math.log(2 * math.pi))
        return (apart * apart).sum(-1) * (-0.5 / self.std**2) - nats

    def entropy(self) -> Tensor:
        wide, each = self.event_shape[0], 0.5 + 0.5 * math.log(2 * math.pi)
        if isinstance(self.std, Tensor):
            return (each + self.std.log()).expand_as(self.centre).sum(-1)
        return self.centre.new_full(self.batch_shape, wide * (each + math.log(self.std)))

    @classmethod
    def together(cls, several: Sequence[Self]) -> Self:
        means = torch.stack([one.centre for one in several])
        stds = [one.std for one in several]
        if all(isinstance(std, float | int) and std == stds[0] for std in stds):
            return cls(means, stds[0])
        return cls(means, torch.stack([one.stddev for one in several]))


@register_kl(Gaussian, Gaussian)
def _kl_gaussian(p: Gaussian, q: Gaussian) -> Tensor:
    ratio = (p.stddev / q.stddev) ** 2
    gap = ((p.centre - q.centre) / q.stddev) ** 2
    return 0.5 * (ratio + gap - 1 - ratio.log()).sum(-1)


class Categorical(LocationDistribution):
    """One of N fixed places, chosen by logits.

    logits: (B, N). centres: (N, P), pairwise different; by default the rows of the identity, so
    that a value is one-hot and the mean is the probabilities. A value is the centre that was drawn,
    so that it can be looked at; `log_prob` takes the nearest centre of what it is given.
    """

    arg_constraints = {}
    support = constraints.real_vector

    def __init__(self, logits: Tensor, centres: Tensor | None = None):
        self.choice = torch.distributions.Categorical(logits=full(logits), validate_args=False)
        if centres is None:
            centres = torch.eye(logits.shape[-1], dtype=logits.dtype, device=logits.device)
        self.centres = centres
        super().__init__(logits.shape[:-1], centres.shape[-1:], validate_args=False)

    @property
    def logits(self) -> Tensor:
        """(B, N) log-probabilities of the places."""
        return self.choice.logits

    @property
    def mode(self) -> Tensor:
        return self.centres[self.choice.logits.argmax(-1)]

    @property
    def mean(self) -> Tensor:
        return self.choice.probs @ self.centres

    def draw(self, generator: torch.Generator | None = None) -> Tensor:
        # Gumbel-max: no read-back to the host, unlike multinomial on some devices.
        return self.centres[(self.logits + self.gumbel(generator)).argmax(-1)]

    def gumbel(self, generator: torch.Generator | None = None) -> Tensor:
        """(B, N) independent standard Gumbel noise."""
        noise = self.logits.new_empty(self.logits.shape).exponential_(generator=generator)
        return -noise.clamp_min(torch.finfo(noise.dtype).tiny).log()

    def relaxed(self, perturbed: Tensor, temperature: Tensor | float) -> Tensor:
        """(B, P): softmax(perturbed / temperature) of the places; perturbed logits are (B, N).

        The concrete relaxation (Jang et al. 2017, arXiv:1611.01144; Maddison et al. 2017,
        arXiv:1611.00712); the place drawn as the temperature goes to 0.
        """
        return torch.softmax(perturbed / temperature, -1) @ self.centres

    def log_prob(self, value: Tensor) -> Tensor:
        # The faster way, by matrix products, confuses cells that are close together.
        exact = "donot_use_mm_for_euclid_dist"
        cell = torch.cdist(value.detach(), self.centres, compute_mode=exact).argmin(-1)
        return self.choice.log_prob(cell)

    def entropy(self) -> Tensor:
        return self.choice.entropy()


class Dirichlet(LocationDistribution):
    """Weights over N cells, at least zero and of sum one: a Dirichlet distribution.

    concentration: (B, N), positive. A value is (B, N). Its mean is the concentration divided by
    its sum; the larger the sum, the nearer draws are to the mean, and the smaller, to one cell.
    """

    arg_constraints = {}
    has_rsample = True
    support = constraints.simplex

    def __init__(self, concentration: Tensor):
        self.dirichlet = torch.distributions.Dirichlet(full(concentration), validate_args=False)
        super().__init__(concentration.shape[:-1], concentration.shape[-1:], validate_args=False)

    @property
    def concentration(self) -> Tensor:
        """(B, N)."""
        return self.dirichlet.concentration

    @property
    def mode(self) -> Tensor:
        """(B, N): max(concentration - 1, 0), normalised.

        A concentration below 1 has no density that is largest, but one that grows without bound as
        its weight goes to 0. So the weight is 0 there; and where none is above 1 all weight is on
        the cell of the largest, towards which the density grows fastest.
        """
        above = (self.concentration - 1).clamp_min(0)
        total = above.sum(-1, keepdim=True)
        corner = F.one_hot(self.concentration.argmax(-1), above.shape[-1]).to(above)
        return torch.where(total > 0, above / torch.where(total > 0, total, 1), corner)

    @property
    def mean(self) -> Tensor:
        return self.dirichlet.mean

    def draw(self, generator: torch.Generator | None = None) -> Tensor:
        """Gamma variates, normalised, with the implicit gradient (Figurnov et al. 2018).

        (arXiv:1805.08498.) Gamma(a) is Gamma(a + 1) U^(1/a), whose logarithm does not underflow
        where a is small; as it is, all variates of a row could be 0.
        """
        shape = self.concentration.contiguous()
        gamma = torch._standard_gamma(shape + 1, generator=generator)
        noise = shape.new_empty(shape.shape).exponential_(generator=generator)
        return torch.softmax(gamma.log() - noise / shape, -1)

    def log_prob(self, value: Tensor) -> Tensor:
        """(B,): the density of the first N - 1 weights. 0 counts as the least positive number."""
        return self.dirichlet.log_prob(value.clamp_min(torch.finfo(value.dtype).tiny))

    def entropy(self) -> Tensor:
        return self.dirichlet.entropy()


class IndependentBernoulli(LocationDistribution):
    """Each of N patches is looked at or not, independently: Bernoulli with sigmoid(logits).

    logits: (B, N). A value is (B, N) of 0.0 and 1.0.
    """

    arg_constraints = {}
    support = constraints.independent(constraints.boolean, 1)

    def __init__(self, logits: Tensor):
        self.logits = full(logits)
        super().__init__(logits.shape[:-1], logits.shape[-1:], validate_args=False)

    @property
    def mode(self) -> Tensor:
        return (self.logits > 0).to(self.logits.dtype)

    @property
    def mean(self) -> Tensor:
        return torch.sigmoid(self.logits)

    def draw(self, generator: torch.Generator | None = None) -> Tensor:
        noise = self.logits.new_empty(self.logits.shape).uniform_(generator=generator)
        return (noise < self.mean).to(self.logits.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        return -F.binary_cross_entropy_with_logits(self.logits, value, reduction="none").sum(-1)

    def entropy(self) -> Tensor:
        return F.binary_cross_entropy_with_logits(self.logits, self.mean, reduction="none").sum(-1)


class Uniform(LocationDistribution):
    """Uniform over the image, [-1, 1] in each of `width` coordinates; what random looking is.

    at: turns the (B, width) point that is drawn into a place of (B, places), where places are not
    points. The density is that of the point.
    """

    arg_constraints = {}
    has_rsample = True
    support = constraints.independent(constraints.interval(-1, 1), 1)

    def __init__(
        self,
        like: Tensor,
        width: int = 2,
        at: Callable[[Tensor], Tensor] | None = None,
        places: int | None = None,
    ):
        self.like, self.width, self.at = like, width, at
        super().__init__(like.shape[:1], torch.Size([places or width]), validate_args=False)

    @property
    def mode(self) -> Tensor:
        raise NotImplementedError("a uniform distribution has no mode: draw from it")

    def draw(self, generator: torch.Generator | None = None) -> Tensor:
        size = (*self.batch_shape, self.width)
        point = self.like.new_empty(size).uniform_(-1.0, 1.0, generator=generator)
        return point if self.at is None else self.at(point)

    def log_prob(self, value: Tensor) -> Tensor:
        return self.entropy().neg()

    def entropy(self) -> Tensor:
        return self.like.new_full(self.batch_shape, self.width * math.log(2))


class Delta(LocationDistribution):
    """All mass on one place; what a script or a deterministic policy decides. place: (B, P).

    Its density is a point mass: `log_prob` is 0 on the place itself, and nobody asks elsewhere.
    """

    arg_constraints = {}
    has_rsample = True
    support = constraints.real_vector

    def __init__(self, place: Tensor):
        self.place = full(place)
        super().__init__(place.shape[:-1], place.shape[-1:], validate_args=False)

    @property
    def mode(self) -> Tensor:
        return self.place

    @property
    def mean(self) -> Tensor:
        return self.place

    def draw(self, generator: torch.Generator | None = None) -> Tensor:
        return self.place

    def log_prob(self, value: Tensor) -> Tensor:
        return torch.zeros_like(self.place[..., 0])

    def entropy(self) -> Tensor:
        return torch.zeros_like(self.place[..., 0])


class Product(LocationDistribution):
    """Two distributions next to each other, drawn independently: where to look, and what to do.

    A value is (B, P + Q), the first's P numbers and then the second's Q.
    """

    arg_constraints = {}
    support = constraints.real_vector

    def __init__(self, first: LocationDistribution, second: LocationDistribution):
        self.first, self.second = first, second
        self.widths = [first.event_shape[0], second.event_shape[0]]
        super().__init__(first.batch_shape, torch.Size([sum(self.widths)]), validate_args=False)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        return self.first.has_rsample and self.second.has_rsample

    @property
    def mode(self) -> Tensor:
        return torch.cat([self.first.mode, self.second.mode], -1)

    @property
    def mean(self) -> Tensor:
        return torch.cat([self.first.mean, self.second.mean], -1)

    def draw(self, generator: torch.Generator | None = None) -> Tensor:
        return torch.cat([self.first.draw(generator), self.second.draw(generator)], -1)

    def mode_or_draw(self, generator: torch.Generator | None = None) -> Tensor:
        return torch.cat(
            [self.first.mode_or_draw(generator), self.second.mode_or_draw(generator)], -1
        )

    def log_prob(self, value: Tensor) -> Tensor:
        first, second = value.split(self.widths, -1)
        return self.first.log_prob(first) + self.second.log_prob(second)

    def entropy(self) -> Tensor:
        return self.first.entropy() + self.second.entropy()


class Stop(LocationDistribution):
    """Whether to stop looking now: 1 with probability sigmoid(logits). logits: (B,)."""

    arg_constraints = {}
    support = constraints.boolean

    def __init__(self, logits: Tensor):
        self.logits = full(logits)
        super().__init__(logits.shape, torch.Size(), validate_args=False)

    @property
    def mode(self) -> Tensor:
        return (self.logits > 0).to(self.logits.dtype)

    def draw(self, generator: torch.Generator | None = None) -> Tensor:
        noise = self.logits.new_empty(self.logits.shape).uniform_(generator=generator)
        return (noise < torch.sigmoid(self.logits)).to(self.logits.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        return -F.binary_cross_entropy_with_logits(self.logits, value, reduction="none")

    def entropy(self) -> Tensor:
        return -self.log_prob(torch.sigmoid(self.logits))
