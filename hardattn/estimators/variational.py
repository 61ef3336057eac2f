"""Variational looking: in training, a guide that knows the answer proposes where to look.

An agent with a method `guide(state, target) -> LocationDistribution` has a posterior q(place |
state, target) beside its policy p(place | state). The guide draws; KL(q || p) is charged as cost;
so E_q[loss + KL] is the negative evidence bound, and any estimator of E[loss + cost] estimates its
gradient. In use the agent looks by its policy alone.
"""

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.distributions import kl_divergence

from hardattn.distributions import Categorical, Dirichlet, Gaussian, LocationDistribution
from hardattn.estimators.counted import Counted
from hardattn.estimators.enumerated import enumerated
from hardattn.estimators.relaxed import gumbel_softmax, pathwise
from hardattn.estimators.score_function import Loss, credit, surrogate
from hardattn.rollout import Agent, Decision, rollout, sample, soft
from hardattn.scenes import Scenes
from hardattn.world import Observation, World


class GuidedAgent(Agent, Protocol):
    """An agent that has a posterior over places."""

    def guide(self, state: Any, target: Tensor) -> LocationDistribution:
        """The state after a look, and what it should answer -> over the next place."""


class Guided:
    """The agent as it learns: its guide's places, and KL(guide || policy) on top of its cost.

    Its state is how many looks are over, and the agent's own.
    """

    def __init__(self, agent: GuidedAgent, world: World, target: Tensor):
        if not hasattr(agent, "guide"):
            raise ValueError(f"{type(agent).__name__} has no guide: variational looking needs one")
        self.agent, self.world, self.target = agent, world, target

    def truth(self, seen: Observation) -> Tensor:
        """The targets of what is seen, where each scene may be there several times over."""
        return self.target.repeat_interleave(len(seen.step) // len(self.target), 0)

    def start(self, context: Tensor) -> tuple[int, Any]:
        return 0, self.agent.start(context)

    def step(self, state: tuple[int, Any], seen: Observation) -> tuple[tuple[int, Any], Decision]:
        looks, inner = state
        inner, decision = self.agent.step(inner, seen)
        # After the last look nobody looks: nothing is drawn, so nothing is charged.
        if looks + 1 < self.world.looks:
            posterior = self.agent.guide(inner, self.truth(seen))
            price = divergence(posterior, decision.location)
            decision = decision._replace(location=posterior, cost=decision.cost + price)
        return (looks + 1, inner), decision


def divergence(q: LocationDistribution, p: LocationDistribution) -> Tensor:
    """(B,): KL(q || p) in closed form."""
    if isinstance(q, Categorical) and isinstance(p, Categorical):
        return kl_divergence(q.choice, p.choice)
    if isinstance(q, Gaussian) and isinstance(p, Gaussian):
        return kl_divergence(q, p)
    if isinstance(q, Dirichlet) and isinstance(p, Dirichlet):
        return kl_divergence(q.dirichlet, p.dirichlet)
    raise ValueError(f"no KL between {type(q).__name__} and {type(p).__name__}")


def variational_enumerated(
    agent: GuidedAgent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None = None,
    *,
    limit: int = 1024,
) -> Loss:
    """The evidence bound itself, every place visited (Deng et al. 2018, arXiv:1807.03756).

    Biased as a gradient of E_p[loss]: it descends E_q[loss] + KL(q || p), which bounds -log p(y).

    Args:
        limit: The most episodes that are visited of a scene.
    """
    guided = Guided(agent, world, scenes.target)
    return enumerated(guided, world, scenes, generator, limit=limit)


def variational_sampled(
    agent: GuidedAgent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None = None,
) -> Loss:
    """The same from one draw, against soft attention under the policy (Deng et al. 2018, alg. 1).

    Unbiased for the bound, so biased for E_p[loss]. The baseline is the loss of the soft episode,
    which the authors found necessary.
    """
    first = world.first(scenes, generator)
    path = rollout(Guided(agent, world, scenes.target), world, scenes, sample, generator, first)
    with torch.no_grad():
        calm = rollout(agent, world, scenes, soft, generator, first)
    advantage = credit(path) - credit(calm)
    return Loss(surrogate(path, advantage), path, advantage)


class VariationalPathwise(Counted):
    """The same by a pathwise draw of the guide (Deng et al. 2018, alg. 2, relaxed attention).

    For guides with such a draw, Dirichlet or Gaussian, and where `pathwise` applies. Unbiased for
    the bound, so biased for E_p[loss].

    pretraining: for how many updates the policy draws, not the guide, which is E_p[loss]. Without
    them the authors saw guides stay uniform.

    Args:
        pretraining: Updates by the policy's own draws, before those of the guide.
    """

    def __init__(self, agent: GuidedAgent, world: World, *, pretraining: int = 0):
        super().__init__()
        self.pretraining = pretraining

    def forward(
        self,
        agent: GuidedAgent,
        world: World,
        scenes: Scenes,
        generator: torch.Generator | None = None,
    ) -> Loss:
        guided = Guided(agent, world, scenes.target)
        early = self.count() < self.pretraining
        return pathwise(agent if early else guided, world, scenes, generator)


def variational_gumbel(
    agent: GuidedAgent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None = None,
    *,
    temperature: float = 0.5,
) -> Loss:
    """The same by a relaxed draw of a guide that chooses a cell (`gumbel_softmax`). Biased.

    Biased for the bound as well: the loss is that of a mixture of cells where the model reads one,
    and the divergence, in closed form, is that of the choice, not of the mixture. So the sum bounds
    no likelihood (Maddison et al. 2017, arXiv:1611.00712), but in the limit of temperature 0.

    Args:
        temperature: Of the relaxation; at 0 it would be the draw itself.
    """
    guided = Guided(agent, world, scenes.target)
    return gumbel_softmax(guided, world, scenes, generator, temperature=temperature)


def wake_sleep(
    agent: GuidedAgent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None = None,
    *,
    samples: int = 5,
) -> Loss:
    """WS-RAM: wake-sleep with an inference net (Ba et al. 2015, arXiv:1509.06812). Biased.

    K episodes from the guide, w_k ~ p(y | a) p(a) / q(a); answer and policy ascend
    sum w_k log p(y, a), the guide ascends sum (w_k - 1/K) log q(a): the wake phase for both, with
    the constant control variate. Departure: the paper's control variates use the weights of the
    common prefix, and its guide is mixed with a broader one.

    Args:
        samples: Episodes a scene.
    """
    if samples < 2:
        raise ValueError(f"wake-sleep needs at least 2 samples, not {samples}")
    if world.task.rewarding:
        raise ValueError("wake-sleep is of a likelihood and has no place for a reward: use bonus=0")
    many = scenes.repeat(samples)
    first = world.first(scenes, generator).repeat_interleave(samples, 0)
    ratios: list[Tensor] = []
    policy: list[Tensor] = []

    class Proposing(Guided):
        def step(
            self, state: tuple[int, Any], seen: Observation
        ) -> tuple[tuple[int, Any], Decision]:
            looks, inner = state
            inner, decision = self.agent.step(inner, seen)
            self.prior = decision.location
            guide = self.agent.guide(inner, self.truth(seen))
            return (looks + 1, inner), decision._replace(location=guide)

    proposing = Proposing(agent, world, many.target)

    def draw(places: LocationDistribution, noise: torch.Generator | None) -> tuple[Tensor, Tensor]:
        if not places.event_shape:
            raise ValueError("the guide of wake-sleep proposes places: the agent must not stop")
        value, _ = sample(places, noise)
        log_q = places.log_prob(value)
        log_p = proposing.prior.log_prob(value)
        policy.append(log_p)
        ratios.append((log_p - log_q).detach())
        return value, log_q

    path = rollout(proposing, world, many, draw, generator, first)
    zero = path.loss.new_zeros(path.loss.shape[1])
    fit = (path.loss + path.cost).sum(0) - sum(policy, zero)
    weight = torch.softmax(
        (sum(ratios, zero) - (path.loss + path.cost).detach().sum(0)).unflatten(0, (-1, samples)), 1
    ).flatten()
    advantage = (1 / samples - weight).expand_as(path.log_prob)
    score = (path.log_prob * advantage).sum(0)
    total = (weight * fit + score).unflatten(0, (-1, samples)).sum(1).mean()
    return Loss(total, path, advantage)
