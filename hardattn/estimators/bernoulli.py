"""Estimators for a mask of Bernoulli choices: two masks from one noise, set against each other.

For worlds of two looks, whose second is drawn from an `IndependentBernoulli`.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from hardattn.distributions import IndependentBernoulli, LocationDistribution
from hardattn.estimators.multi_sample import one_draw
from hardattn.estimators.score_function import Loss, credit
from hardattn.rollout import Agent, Trajectory, rollout
from hardattn.scenes import Scenes
from hardattn.world import World


def arm(
    agent: Agent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None = None,
) -> Loss:
    """Augment-REINFORCE-merge (Yin & Zhou 2019, arXiv:1807.11143). Unbiased.

    grad_logits = (f(1[1 - u < p]) - f(1[u < p])) (u - 1/2), u uniform, p = sigmoid(logits).
    """

    def weigh(uniform: Tensor, logits: Tensor, left: Tensor, right: Tensor) -> Tensor:
        return uniform - 0.5

    return _antithetic(weigh, agent, world, scenes, generator, "ARM")


def disarm(
    agent: Agent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None = None,
) -> Loss:
    """ARM with the noise given the masks averaged out (Dong et al. 2020, arXiv:2006.10680).

    grad_logits = (f(b) - f(b')) / 2 * (-1)^b' 1[b != b'] sigmoid(|logits|). Unbiased. Also U2G (Yin
    et al. 2020).
    """

    def weigh(uniform: Tensor, logits: Tensor, left: Tensor, right: Tensor) -> Tensor:
        differ = (left != right).to(logits.dtype)
        return 0.5 * (1 - 2 * right) * differ * torch.sigmoid(logits.abs())

    return _antithetic(weigh, agent, world, scenes, generator, "DisARM")


def _antithetic(
    weigh: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor],
    agent: Agent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None,
    who: str,
) -> Loss:
    one_draw(world, who)
    first = world.first(scenes, generator)
    logits: list[Tensor] = []
    masks: list[Tensor] = []
    uniform: list[Tensor] = []

    def episode(mirrored: bool) -> Trajectory:
        def draw(
            places: LocationDistribution, noise: torch.Generator | None
        ) -> tuple[Tensor, Tensor]:
            if not isinstance(places, IndependentBernoulli):
                raise ValueError(f"{who} needs a mask of patches, not {type(places).__name__}")
            if not uniform:
                uniform.append(
                    places.logits.new_empty(places.logits.shape).uniform_(generator=noise)
                )
            u = 1 - uniform[0] if mirrored else uniform[0]
            mask = (u < places.mean).to(places.logits.dtype)
            logits.append(places.logits)
            masks.append(mask)
            return mask, places.log_prob(mask)

        return rollout(agent, world, scenes, draw, generator, first)

    right, left = episode(mirrored=False), episode(mirrored=True)
    gap = credit(left)[0] - credit(right)[0]
    with torch.no_grad():
        push = gap[:, None] * weigh(uniform[0], logits[0], masks[1], masks[0])
    losses = (left.loss + left.cost + right.loss + right.cost).sum(0) / 2
    total = (losses + (logits[0] * push).sum(1)).mean()
    return Loss(total, right, gap.expand_as(right.log_prob))
