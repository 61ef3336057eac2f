"""Exact means of choices under noise, small worlds of several patches, and lessons in them."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hardattn.agents import AGENTS, Scripted
from hardattn.estimators import ESTIMATORS
from hardattn.evaluation.evaluate import Columns
from hardattn.sensors import Several
from hardattn.tasks import Classify
from hardattn.world import World
from tests.support.learning import Lesson

CLASSES = 3
LINE = torch.linspace(-9, 9, 2001, dtype=torch.float64)


def exact_choice(scores: Tensor, sigma: float) -> Tensor:
    """(B, N) -> (B, N - 1, N): the mean of the choice of all but the worst under normal noise.

    By quadrature over the worst one's noise: it is worst where all the others are above it.
    """
    count = scores.shape[1]
    density = (-(LINE**2) / 2).exp() / math.sqrt(2 * math.pi) * (LINE[1] - LINE[0])
    mean = scores.new_zeros(len(scores), count - 1, count)
    for worst in range(count):
        others = [n for n in range(count) if n != worst]
        gap = (scores[:, others] - scores[:, worst : worst + 1])[..., None] / sigma - LINE
        chance = (torch.special.ndtr(gap).prod(1) * density).sum(1)
        choice = torch.eye(count, dtype=scores.dtype)[others]
        mean = mean + chance[:, None, None] * choice
    return mean


def some_patches(
    name: str = "patch_selection", count: int = 3, looks: int = 2, bonus: float = 0.0, **more: Any
) -> tuple[Any, World]:
    """An agent that looks at some of 2 x 2 cells, and its world."""
    torch.manual_seed(11)
    sensor = Several(2, 2, count)
    world = World(sensor, Classify(CLASSES, bonus=bonus), looks, context="coarse")
    options: dict[str, Any] = dict(context=(1, 4, 4), grid=(2, 2), features=8, filters=4)
    return AGENTS[name].make(sensor.shape((1, 4, 4)), CLASSES, **options, **more), world


def two_levels() -> tuple[Any, World]:
    """An agent of which a base learns before the rest, and its world."""
    torch.manual_seed(11)
    sensor = Several(2, 2, 3)
    world = World(sensor, Classify(CLASSES, each=True), 2, context="whole")
    options: dict[str, Any] = dict(context=(1, 4, 4), grid=(2, 2), features=8, filters=4)
    return AGENTS["two_level"].make(sensor.shape((1, 4, 4)), CLASSES, **options), world


@dataclass(frozen=True)
class Patchwork(Lesson):
    """A lesson of which the control looks at as many patches, anywhere."""

    def controlled(self, seed: int = 0) -> Columns:
        assert isinstance(self.sensor, Several)
        share = self.sensor.count / (self.sensor.rows * self.sensor.columns)
        agent = Scripted(self._agent(seed), "random", self.looks, self.sensor, share)
        return self._learn(agent, ESTIMATORS["reinforce"].make, seed)
