"""Estimators that differentiate through the look itself."""

import torch

from hardattn.estimators.score_function import Loss
from hardattn.rollout import Agent, rollout
from hardattn.rollout import pathwise as draw_pathwise
from hardattn.scenes import Scenes
from hardattn.world import World


def pathwise(
    agent: Agent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None = None,
) -> Loss:
    """Reparameterisation (Kingma & Welling 2014, arXiv:1312.6114). Unbiased where it applies.

    It applies where the sensor is differentiable in the place, the place has a pathwise draw, the
    agent never stops by drawing, and nothing is rewarded: a reward has no gradient.
    """
    if world.task.rewarding:
        raise ValueError("pathwise gradients do not reach a reward: use a task with bonus=0")
    path = rollout(agent, world, scenes, draw_pathwise, generator)
    total = (path.loss + path.cost).sum(0).mean()
    return Loss(total, path, torch.zeros_like(path.loss))
