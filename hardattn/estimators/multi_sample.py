"""Estimators that look at every scene several times."""

import torch

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
    """
    if samples < 2:
        raise ValueError(f"leave-one-out needs at least 2 samples, not {samples}")
    first = world.first(scenes, generator).repeat_interleave(samples, 0)
    path = rollout(agent, world, scenes.repeat(samples), sample, generator, first)
    signal = credit(path, reward_only)
    mine = signal.unflatten(1, (-1, samples))
    others = (mine.sum(2, keepdim=True) - mine) / (samples - 1)
    advantage = (mine - others).flatten(1)
    return Loss(surrogate(path, advantage), path, advantage)
