"""A loss of ranks: the true answer is to be ahead of the best wrong one by a margin."""

import torch
from torch.nn import functional as F

from hardattn.estimators.score_function import Loss
from hardattn.rollout import Agent, rollout, sample
from hardattn.scenes import Scenes
from hardattn.world import World


def hardest_negative(
    agent: Agent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None = None,
    *,
    margin: float = 0.2,
) -> Loss:
    """[margin - s(true) + max of the other s]_+, s the last answers (arXiv:1707.05612). Biased.

    The triplet loss with the hardest negative (VSE++, Faghri et al. 2018; stacked cross attention,
    Lee et al. 2018, arXiv:1803.08024), whose answers are similarities. It is no gradient of the
    task's loss, and moves no policy: it is for agents that see everything. Departure: the negatives
    are the other candidates of a scene, not of a batch, and of one side.

    Args:
        margin: By how much the true answer is to be ahead.
    """
    if world.task.rewarding:
        raise ValueError("ranks have no place for a reward: use bonus=0")
    path = rollout(agent, world, scenes, sample, generator)
    logits, target = path.logits[-1], scenes.target[:, None]
    true = logits.gather(1, target)[:, 0]
    other = logits.scatter(1, target, -torch.inf).amax(1)
    total = F.relu(margin - true + other).mean()
    return Loss(total + path.cost.sum(0).mean(), path, torch.zeros_like(path.loss))
