"""Agents that are told what to find: any agent, with the cue beside what it sees."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.rollout import Decision
from hardattn.world import Observation

PLANES = 2  # in which a cue is told that is no picture
Shape = tuple[int, ...]


def planes_of(cue: int | Shape) -> int:
    """In how many planes a cue of that shape, or of so many numbers, is told."""
    return cue[0] if isinstance(cue, tuple) and len(cue) == 3 else PLANES


def planed(shape: Shape, cue: int | Shape = 0) -> Shape:
    """The shape of a glimpse (C, h, w) with the cue's planes beside it."""
    if len(shape) != 3:
        raise ValueError(
            f"what is to be found is told in planes beside a picture, (C, h, w), not {shape}: "
            "take a sensor whose glimpses are pictures"
        )
    return (shape[0] + planes_of(cue), *shape[1:])


def inner(context: Shape, cue: int | Shape) -> Shape:
    """The shape of the context that an agent is given, of that of a world that tells cues.

    cue: the shape of one, or how many numbers it has; 0 where none is told.
    """
    cues = math.prod(cue) if isinstance(cue, tuple) else cue
    if not cues:
        return context
    return (context[0] - cues + planes_of(cue) * (len(context) == 3), *context[1:])


class Told(nn.Module):
    """An agent that sees, beside each glimpse and picture, planes that say what to find.

    A linear layer makes PLANES numbers in (-1, 1) of the cue; each fills a plane, as a condition is
    given to a convolutional net. A cue that is a picture is shown as it is, as large as what it is
    beside. So all agents, hard or soft, are told in one way, by as many weights. A context that is
    a picture has the planes as well; of others the cue is taken away.

    agent: made for `planed` glimpses and `inner` contexts. cue: the shape of a cue, (C, h, w) of a
    picture, or how many numbers it has. They come first in the world's context.
    """

    def __init__(self, agent: Any, cue: int | Shape):
        super().__init__()
        self.agent = agent
        self.cue = (cue,) if isinstance(cue, int) else tuple(cue)
        self.cues, self.pictured = math.prod(self.cue), len(self.cue) == 3
        self.embed = None if self.pictured else nn.Linear(self.cues, PLANES)

    def anneal(self, share: float) -> None:
        """Pass on how much of the training is over, to an agent that asks."""
        if callable(anneal := getattr(self.agent, "anneal", None)):
            anneal(share)

    def start(self, context: Tensor) -> tuple[Any, Tensor]:
        cue, rest = context[:, : self.cues], context[:, self.cues :]
        if context.dim() == 4:
            cue = cue[:, :, 0, 0]
        planes = cue if self.embed is None else torch.tanh(self.embed(cue))
        if context.dim() == 4:
            rest = self._beside(planes, rest)
        return self.agent.start(rest), planes

    def step(self, state: tuple[Any, Tensor], seen: Observation) -> tuple[Any, Decision]:
        within, planes = state
        seen = seen._replace(glimpse=self._beside(planes, seen.glimpse))
        within, decision = self.agent.step(within, seen)
        return (within, planes), decision

    def _beside(self, planes: Tensor, picture: Tensor) -> Tensor:
        if self.pictured:
            shown = planes.unflatten(1, self.cue)
            wide = F.interpolate(shown, picture.shape[2:], mode="bilinear", align_corners=False)
        else:
            wide = planes[:, :, None, None].expand(-1, -1, *picture.shape[2:])
        return torch.cat([picture, wide], 1)
