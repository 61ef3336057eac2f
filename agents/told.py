"""Agents that are told what to find: any agent, with the cue beside what it sees."""

from typing import Any

import torch
from torch import Tensor, nn

from hardattn.rollout import Decision
from hardattn.world import Observation

PLANES = 2  # in which a cue is told


def planed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a glimpse (C, h, w) with the cue's planes beside it."""
    if len(shape) != 3:
        raise ValueError(
            f"what is to be found is told in planes beside a picture, (C, h, w), not {shape}: "
            "take a sensor whose glimpses are pictures"
        )
    return (shape[0] + PLANES, *shape[1:])


def inner(context: tuple[int, ...], cues: int) -> tuple[int, ...]:
    """The shape of the context that an agent is given, of that of a world that tells cues."""
    if not cues:
        return context
    return (context[0] - cues + PLANES * (len(context) == 3), *context[1:])


class Told(nn.Module):
    """An agent that sees, beside each glimpse and picture, planes that say what to find.

    A linear layer makes PLANES numbers in (-1, 1) of the cue; each fills a plane, as a condition is
    given to a convolutional net. So all agents, hard or soft, are told in one way, by as many
    weights. A context that is a picture has the planes as well; of others the cue is taken away.

    agent: made for `planed` glimpses and `inner` contexts. cues: the numbers of a cue, which come
    first in the world's context.
    """

    def __init__(self, agent: Any, cues: int):
        super().__init__()
        self.agent, self.cues = agent, cues
        self.embed = nn.Linear(cues, PLANES)

    def anneal(self, share: float) -> None:
        """Pass on how much of the training is over, to an agent that asks."""
        if callable(anneal := getattr(self.agent, "anneal", None)):
            anneal(share)

    def start(self, context: Tensor) -> tuple[Any, Tensor]:
        cue, rest = context[:, : self.cues], context[:, self.cues :]
        if context.dim() == 4:
            cue = cue[:, :, 0, 0]
        planes = torch.tanh(self.embed(cue))
        if context.dim() == 4:
            rest = self._beside(planes, rest)
        return self.agent.start(rest), planes

    def step(self, state: tuple[Any, Tensor], seen: Observation) -> tuple[Any, Decision]:
        within, planes = state
        seen = seen._replace(glimpse=self._beside(planes, seen.glimpse))
        within, decision = self.agent.step(within, seen)
        return (within, planes), decision

    def _beside(self, planes: Tensor, picture: Tensor) -> Tensor:
        wide = planes[:, :, None, None].expand(-1, -1, *picture.shape[2:])
        return torch.cat([picture, wide], 1)
