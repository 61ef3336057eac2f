"""A base that learns and settles, and then all that is built on it."""

from typing import Protocol

import torch
from torch import nn

from hardattn.estimators.counted import Counted
from hardattn.estimators.score_function import Loss, reinforce
from hardattn.rollout import Agent, rollout, sample
from hardattn.scenes import Scenes
from hardattn.world import World


class SettlingAgent(Agent, Protocol):
    """An agent whose rest is made from its `base` once that has learned, as `agents.TwoLevel`."""

    base: nn.Module

    def settle(self) -> None:
        """Make of the base what the rest begins with."""


class BaseFirst(Counted):
    """The base learns at the first look, and settles; then all else learns by `reinforce`.

    (Xiao et al. 2015, arXiv:1411.6447.) For `base` updates the loss at the first look, which is the
    answer of `agent.base`, goes back through it. Then the agent settles, once, and from there on
    the base is as it was, to the bit. With no updates of the base alone it is `reinforce` of all
    there is, unbiased, and nothing is frozen.

    Args:
        base: Updates in which the base learns, before it is frozen; 0: all learns at once.
    """

    def __init__(self, agent: SettlingAgent, world: World, *, base: int = 0):
        super().__init__()
        if not hasattr(agent, "settle"):
            raise ValueError(f"{type(agent).__name__} has no base that settles: use TwoLevel")
        if base < 0:
            raise ValueError(f"a base learns for no updates or more, not {base}")
        self.base = base

    def forward(
        self,
        agent: SettlingAgent,
        world: World,
        scenes: Scenes,
        generator: torch.Generator | None = None,
    ) -> Loss:
        before = self.count()
        if before < self.base:
            path = rollout(agent, world.upto(1), scenes, sample, generator)
            return Loss((path.loss + path.cost).sum(0).mean(), path, torch.zeros_like(path.loss))
        if self.base:
            agent.base.requires_grad_(False)
            if before == self.base and self.training:
                agent.settle()
        return reinforce(agent, world, scenes, generator)
