"""What tests of DRAM, MRAM, DT-RAM and EDRAM share."""

from typing import Any

import torch
from torch import Tensor, nn

from hardattn.rollout import rollout
from hardattn.scenes import Scenes
from hardattn.sensors import Retina, Sensor
from hardattn.tasks import Classify
from hardattn.world import Observation, World
from tests.support.learning import CLASSES, textures

SIDE = 20


COARSE = (1, 12, 12)


def some(count: int = 6) -> Scenes:
    return textures(count, torch.Generator().manual_seed(0), SIDE)


def world(looks: int = 3, sensor: Sensor | None = None, **options: Any) -> World:
    each = options.pop("each", True)
    return World(sensor or Retina(4, 3), Classify(CLASSES, each=each), looks, **options)


def gradients(agent: nn.Module, value: Tensor) -> dict[str, Tensor | None]:
    names, weights = zip(*agent.named_parameters(), strict=True)
    grads = torch.autograd.grad(value, weights, allow_unused=True, retain_graph=True)
    return dict(zip(names, grads, strict=True))


def reached(agent: nn.Module, value: Tensor) -> set[str]:
    """The parts of the agent that the value moves with."""
    grads = gradients(agent, value)
    return {name.split(".")[0] for name, g in grads.items() if g is not None and g.abs().max() > 0}


def told(agent: Any, where: World, draw: Any) -> tuple[Any, Tensor]:
    """An episode, and the context that it began with, whose gradient can be asked for."""
    context = where.context(some()).requires_grad_()

    class Told(nn.Module):
        def start(self, given: Tensor) -> Any:
            return agent.start(context)

        def step(self, state: Any, seen: Observation) -> Any:
            return agent.step(state, seen)

    first = torch.linspace(-0.5, 0.5, 12).view(6, 2)
    first = where.sensor.at(first)
    return rollout(Told(), where, some(), draw, torch.Generator().manual_seed(0), first), context
