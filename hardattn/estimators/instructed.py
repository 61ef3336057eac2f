"""What an agent says on the way to its answer, supervised."""

from typing import Any, Protocol

import torch
from torch import Tensor

from hardattn.estimators.score_function import Loss
from hardattn.rollout import Agent, Decision, rollout, sample
from hardattn.scenes import Scenes
from hardattn.world import Observation, World


class TaughtAgent(Protocol):
    """An agent that says more than its answer."""

    def start(self, context: Tensor) -> Any:
        """As of any agent."""

    def taught(self, state: Any, seen: Observation) -> tuple[Any, Decision, tuple[Tensor, ...]]:
        """A step, and what was said in it."""

    def instructed(self, answers: tuple[Tensor, ...], target: Tensor) -> Tensor:
        """What was said, targets -> (B,) its loss."""


class _Heard:
    """The agent, of which all is kept that it says."""

    def __init__(self, agent: TaughtAgent):
        self.agent, self.said = agent, list[tuple[Tensor, ...]]()

    def start(self, context: Tensor) -> Any:
        return self.agent.start(context)

    def step(self, state: Any, seen: Observation) -> tuple[Any, Decision]:
        state, decision, said = self.agent.taught(state, seen)
        self.said.append(said)
        return state, decision


def instructed(
    agent: Agent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None = None,
    *,
    weight: float = 0.4,
) -> Loss:
    """Supervises what the agent says on the way, as well as its answer (Lee et al. 2015). Biased.

    (Deeply-supervised nets, arXiv:1409.5185.) The loss, and `weight` times that of a coarse answer,
    of a border, of an earlier stack: `agent.instructed` says which, and what is right. Mean over
    looks. No look learns from it: it is for agents that see everything at once.

    Args:
        weight: Of what is said on the way, beside the answer.
    """
    if not hasattr(agent, "instructed"):
        name = type(agent).__name__
        raise ValueError(f"{name} says nothing on the way that could be supervised: use Dense")
    if world.task.rewarding:
        raise ValueError("no look learns from a reward here: use bonus=0")
    heard = _Heard(agent)  # type: ignore[arg-type]
    path = rollout(heard, world, scenes, sample, generator)
    aside = torch.stack([heard.agent.instructed(said, scenes.target) for said in heard.said])
    total = (path.loss + path.cost).sum(0) + weight * (aside * path.alive).mean(0)
    return Loss(total.mean(), path, torch.zeros_like(path.loss))
