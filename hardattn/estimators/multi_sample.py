"""Estimators that look at every scene several times."""

import math
from itertools import permutations

import torch
from torch import Tensor

from hardattn.distributions import Categorical, LocationDistribution
from hardattn.estimators.score_function import Loss, credit, surrogate
from hardattn.rollout import Agent, rollout, sample
from hardattn.scenes import Scenes
from hardattn.world import World


def leave_one_out(
    agent: Agent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None = None,
    *,
    samples: int = 4,
    reward_only: bool = False,
) -> Loss:
    """REINFORCE, each of K episodes against the mean of the others (Kool et al. 2019). Unbiased.

    All episodes of a scene share its first look. Costs K episodes with gradient.

    Args:
        samples: Episodes a scene.
        reward_only: Let looks learn from the reward alone, as RAM was published.
    """
    _several(samples, "leave-one-out")
    first = world.first(scenes, generator).repeat_interleave(samples, 0)
    path = rollout(agent, world, scenes.repeat(samples), sample, generator, first)
    signal = credit(path, reward_only)
    mine = signal.unflatten(1, (-1, samples))
    others = (mine.sum(2, keepdim=True) - mine) / (samples - 1)
    advantage = (mine - others).flatten(1)
    return Loss(surrogate(path, advantage), path, advantage)


def vimco(
    agent: Agent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None = None,
    *,
    samples: int = 4,
) -> Loss:
    """The K-sample bound -log mean_k exp(-loss_k) (Mnih & Rezende 2016, arXiv:1602.06725).

    Unbiased for that bound, so biased for E[loss], and tighter to -log E[p(y)]. Each episode is
    set against the bound with its own likelihood replaced by the geometric mean of the others'.

    Args:
        samples: Episodes a scene.
    """
    _several(samples, "VIMCO")
    _unrewarded(world, "VIMCO")
    first = world.first(scenes, generator).repeat_interleave(samples, 0)
    path = rollout(agent, world, scenes.repeat(samples), sample, generator, first)
    fit = -(path.loss + path.cost).sum(0).unflatten(0, (-1, samples))
    bound = fit.logsumexp(1) - math.log(samples)
    with torch.no_grad():
        others = (fit.sum(1, keepdim=True) - fit) / (samples - 1)
        swapped = fit[:, None].expand(-1, samples, -1).clone()
        swapped.diagonal(dim1=1, dim2=2).copy_(others)
        without = swapped.logsumexp(2) - math.log(samples)
        advantage = (without - bound[:, None]).flatten().expand_as(path.log_prob)
    score = (path.log_prob * advantage).sum(0).unflatten(0, (-1, samples)).sum(1)
    return Loss((score - bound).mean(), path, advantage)


def reweighted_wake_sleep(
    agent: Agent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None = None,
    *,
    samples: int = 5,
) -> Loss:
    """Importance-weighted maximum likelihood (Bornschein & Bengio 2015, arXiv:1406.2751).

    K episodes from the policy itself, weighted w_k ~ exp(-loss_k): the gradient of
    -log E[exp(-loss)] as K grows; biased for every K. The policy learns from w_k - 1/K, which has
    the same mean and less noise, the control variate of Ba et al. (2015, arXiv:1509.06812) with a
    constant for what came before. With an inference net, see `variational.wake_sleep`.

    Args:
        samples: Episodes a scene.
    """
    _several(samples, "reweighted wake-sleep")
    _unrewarded(world, "reweighted wake-sleep")
    first = world.first(scenes, generator).repeat_interleave(samples, 0)
    path = rollout(agent, world, scenes.repeat(samples), sample, generator, first)
    fit = (path.loss + path.cost).sum(0).unflatten(0, (-1, samples))
    weight = torch.softmax(-fit.detach(), 1)
    advantage = (1 / samples - weight).flatten().expand_as(path.log_prob)
    score = (path.log_prob * advantage).sum(0).unflatten(0, (-1, samples))
    return Loss((weight * fit + score).sum(1).mean(), path, advantage)


def unordered_set(
    agent: Agent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None = None,
    *,
    samples: int = 3,
) -> Loss:
    """K different places, drawn without replacement (Kool et al. 2020, rklEj2EFvB). Unbiased.

    Rao-Blackwellised over the order of the set S: sum_s p(s) R(S, s) (f(s) - b_s) grad log p(s),
    with R the leave-one-out ratio of the probabilities of sets and b_s the same estimate within the
    places other than s. For worlds of two looks, whose second is drawn from a `Categorical`.

    Args:
        samples: Episodes a scene.
    """
    _several(samples, "the unordered-set estimator")
    one_draw(world, "the unordered-set estimator")

    def draw(places: LocationDistribution, noise: torch.Generator | None) -> tuple[Tensor, Tensor]:
        choice = of_cells(places, "the unordered-set estimator")
        if samples >= choice.logits.shape[1]:
            raise ValueError(
                f"{samples} different places of {choice.logits.shape[1]} leave no rest"
            )
        perturbed = (choice.logits + choice.gumbel(noise))[::samples]
        cells = perturbed.topk(samples, 1).indices.flatten()
        return choice.centres[cells], choice.logits.gather(1, cells[:, None])[:, 0]

    first = world.first(scenes, generator).repeat_interleave(samples, 0)
    path = rollout(agent, world, scenes.repeat(samples), draw, generator, first)
    log_prob = path.log_prob[1].unflatten(0, (-1, samples))
    cost = (path.loss + path.cost).sum(0).unflatten(0, (-1, samples))
    with torch.no_grad():
        total = credit(path)[0].unflatten(0, (-1, samples))
        p = log_prob.double().exp()
        none = torch.zeros_like(p[:, 0])
        whole = set_probability(p, none)
        weight, baseline = torch.empty_like(p), torch.empty_like(p)
        for s in range(samples):
            rest = [r for r in range(samples) if r != s]
            without = set_probability(p[:, rest], p[:, s])
            weight[:, s] = p[:, s] * without / whole
            baseline[:, s] = p[:, s] * total[:, s]
            for r in rest:
                others = [q for q in rest if q != r]
                ratio = set_probability(p[:, others], p[:, s] + p[:, r]) / without
                baseline[:, s] += p[:, r] * ratio * total[:, r]
        weight = weight.to(cost.dtype)
        advantage = total - baseline.to(cost.dtype)
    estimate = (weight * (cost + advantage * log_prob)).sum(1).mean()
    return Loss(estimate, path, advantage.flatten().expand_as(path.log_prob))


def set_probability(p: Tensor, gone: Tensor) -> Tensor:
    """(B,): that draws without replacement give this set first, in any order.

    p: (B, k) of the members; gone: (B,) probability that was taken away before.
    """
    if p.shape[1] == 0:
        return torch.ones_like(gone)
    total = torch.zeros_like(gone)
    for order in permutations(range(p.shape[1])):
        left, chance = 1 - gone, torch.ones_like(gone)
        for member in order:
            chance = chance * p[:, member] / left
            left = left - p[:, member]
        total = total + chance
    return total


def one_draw(world: World, who: str) -> None:
    """Raise ValueError unless one place an episode is drawn."""
    if world.looks != 2:
        raise ValueError(f"{who} needs a world of two looks, whose second is drawn: looks=2")


def of_cells(places: LocationDistribution, who: str) -> Categorical:
    """The same, if it is a choice among places; else ValueError."""
    if not isinstance(places, Categorical):
        raise ValueError(f"{who} needs a choice among places, not {type(places).__name__}")
    return places


def _several(samples: int, who: str) -> None:
    if samples < 2:
        raise ValueError(f"{who} needs at least 2 samples, not {samples}")


def _unrewarded(world: World, who: str) -> None:
    if world.task.rewarding:
        raise ValueError(f"{who} is of a likelihood and has no place for a reward: use bonus=0")
