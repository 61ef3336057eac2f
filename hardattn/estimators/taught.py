"""Teacher forcing: in training, and there alone, who speaks goes on from the true word."""

from typing import Any

import torch
from torch import Tensor, nn

from hardattn.nn.words import heard
from hardattn.rollout import Agent, Decision
from hardattn.scenes import Scenes
from hardattn.world import Observation, World


class Taught(nn.Module):
    """An agent to whom, after each word, the true one is told as what it has said.

    So it learns each word after the right ones, however much it errs (Williams & Zipser 1989). It
    answers, and is asked, as before: what is told is known to the next look at the earliest. Of
    agents that do not speak (there is no `Said` in their state) nothing changes.
    """

    def __init__(self, agent: Agent, target: Tensor, world: World):
        super().__init__()
        self.agent, self.world = agent, world
        self.target, self.each = target, world.horizon // target.shape[1]

    def start(self, context: Tensor) -> Any:
        return self.agent.start(context)

    def step(self, state: Any, seen: Observation) -> tuple[Any, Decision]:
        state, decision = self.agent.step(state, seen)
        look = (seen.step * self.world.horizon).round().long()
        target = self.target.repeat_interleave(len(look) // len(self.target), 0)
        word = target.gather(1, torch.div(look, self.each, rounding_mode="floor")[:, None])[:, 0]
        # After the end there is nothing that could be learned, and the end it is.
        word = torch.where(word < 0, self.world.task.classes - 1, word)
        return heard(state, word, (look + 1) % self.each == 0), decision


def taught(agent: Agent, world: World, scenes: Scenes) -> Agent:
    """The agent as it is trained in this world: where sentences are asked, it is `Taught`."""
    return Taught(agent, scenes.target, world) if scenes.named.numel() else agent
