"""Score-function estimators: (signal - baseline) * grad log-probability of what was drawn.

The signal of row t is what comes at and after look t: what went before cannot depend on it.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from hardattn.rollout import Agent, Trajectory, greedy, rollout, sample
from hardattn.scenes import Scenes
from hardattn.world import World


class Loss(NamedTuple):
    """What to differentiate, and what flowed past."""

    total: Tensor  # () its gradient is the estimate
    path: Trajectory
    advantage: Tensor  # (T, B) what each row's draws were told, sign of a loss


def credit(path: Trajectory, reward_only: bool = False) -> Tensor:
    """(T, B): what the draws of each row are answerable for, detached.

    reward_only: the published hybrid of Mnih et al. (2014), where looks learn from the reward
    alone and the cross-entropy trains everything else. It is not the gradient of E[loss - reward],
    because the loss moves with the looks as well.
    """
    signal = -path.reward if reward_only else path.loss + path.cost - path.reward
    return path.to_go(signal).detach()


def surrogate(path: Trajectory, advantage: Tensor) -> Tensor:
    """() whose gradient is that of the drawn losses plus advantage * grad log-probability."""
    return (path.loss + path.cost + path.log_prob * advantage.detach()).sum(0).mean()


def reinforce(
    agent: Agent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None = None,
    *,
    reward_only: bool = False,
) -> Loss:
    """REINFORCE with no baseline (Williams 1992). Unbiased; the noisiest of all."""
    path = rollout(agent, world, scenes, sample, generator)
    advantage = credit(path, reward_only)
    return Loss(surrogate(path, advantage), path, advantage)


def learned_baseline(
    agent: Agent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None = None,
    *,
    reward_only: bool = False,
) -> Loss:
    """REINFORCE with a learned value as the baseline, as in RAM (Mnih et al. 2014). Unbiased.

    The baseline of row t is the value after look t - 1: it has seen everything but look t. The
    value is fitted to the return by squared error; an agent detaches what it is computed from, so
    that the fit moves the critic alone.
    """
    path = rollout(agent, world, scenes, sample, generator)
    signal = credit(path, reward_only)
    expected = torch.cat([torch.zeros_like(signal[:1]), -path.value[:-1]])
    advantage = signal - expected.detach()
    misfit = ((expected - signal)[1:] ** 2 * path.alive[1:]).sum(0).mean()
    return Loss(surrogate(path, advantage) + misfit, path, advantage)


def self_critical(
    agent: Agent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None = None,
    *,
    reward_only: bool = False,
) -> Loss:
    """The greedy episode's signal as the baseline (Rennie et al. 2017, arXiv:1612.00563). Unbiased.

    Costs a second episode, without gradient. Both start from the same first look.
    """
    first = world.first(scenes, generator)
    path = rollout(agent, world, scenes, sample, generator, first)
    with torch.no_grad():
        test = rollout(agent, world, scenes, greedy, generator, first)
    advantage = credit(path, reward_only) - credit(test, reward_only)
    return Loss(surrogate(path, advantage), path, advantage)
