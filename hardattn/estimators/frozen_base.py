"""A base that learns and is frozen, and a policy beside it that evolves."""

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from hardattn.estimators.counted import Counted
from hardattn.estimators.evolution import SNES
from hardattn.estimators.score_function import Loss
from hardattn.rollout import Agent, Trajectory, rollout, sample
from hardattn.scenes import Scenes
from hardattn.world import World


class GatingAgent(Agent, Protocol):
    """An agent with a `policy` that decides how all the rest of it works, as `agents.DasNet`."""

    policy: nn.Module


class FrozenBase(SNES, Counted):
    """The agent learns at its first look, then its policy alone evolves (dasNet, arXiv:1407.3068).

    For `base` updates the loss at the first look, which no policy moved, goes back through the
    agent; from there on only `agent.policy` moves, by `SNES`, and all else is as it was, to the
    bit. A scene that the first look answers rightly counts `easy` times in what is evolved, so that
    a population is judged by what is left to gain. Biased as `SNES` is: of the smoothed loss, and
    by ranks.

    Departures: the paper's populations and weights of scenes were not at hand; the base learns by
    the same optimiser, whose rate has fallen when the policy begins.

    Args:
        base: Updates in which the base learns, before it is frozen.
        population: Policies tried at each update, an even number.
        sigma: Standard deviation of the weights tried, at first.
        ranks: Follow ranks of losses, and adapt sigma; otherwise the losses themselves.
        easy: How much a scene counts that the first look answers rightly.
    """

    def __init__(
        self,
        agent: Any,
        world: World,
        *,
        base: int = 0,
        population: int = 16,
        sigma: float = 0.02,
        ranks: bool = True,
        easy: float = 1.0,
    ):
        if not isinstance(getattr(agent, "policy", None), nn.Module):
            raise ValueError(f"{type(agent).__name__} has no policy apart: use agents.DasNet")
        if base < 0 or easy < 0:
            raise ValueError(f"updates and weights are 0 or more, not {base} and {easy}")
        super().__init__(agent, world, population=population, sigma=sigma, ranks=ranks)
        self.base, self.easy = base, easy

    def moved(self, agent: Any) -> list[nn.Parameter]:
        return list(agent.policy.parameters())

    def judged(self, path: Trajectory, scenes: Scenes) -> Tensor:
        each = (path.loss + path.cost - path.reward).sum(0)
        if self.easy == 1:
            return each.mean()
        if scenes.target.dim() != 1:
            raise ValueError("scenes are easy where they are of a class: use easy=1")
        right = path.logits[0].argmax(-1) == scenes.target
        return (each * torch.where(right, self.easy, 1.0)).mean()

    def forward(
        self,
        agent: Agent,
        world: World,
        scenes: Scenes,
        generator: torch.Generator | None = None,
    ) -> Loss:
        if self.count() >= self.base:
            return super().forward(agent, world, scenes, generator)
        path = rollout(agent, world.upto(1), scenes, sample, generator)
        return Loss((path.loss + path.cost).sum(0).mean(), path, torch.zeros_like(path.loss))
