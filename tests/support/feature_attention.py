"""Agents that attend to features of cells, small, each with a world for it."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from hardattn.agents.s3ta import Sequential
from hardattn.agents.scal import SCAL
from hardattn.agents.show_attend_tell import ShowAttendTell
from hardattn.agents.variational import Variational, VariationalDirichlet
from hardattn.data import load
from hardattn.estimators import Loss
from hardattn.rollout import Draw, rollout
from hardattn.scenes import Scenes, fixed_scenes, translated
from hardattn.sensors import Cells
from hardattn.tasks import Classify
from hardattn.world import World

CLASSES = 10


KINDS: dict[str, tuple[type[nn.Module], int]] = {
    "show_attend_tell": (ShowAttendTell, 4),
    "variational": (Variational, 2),
    "variational_dirichlet": (VariationalDirichlet, 2),
    "sequential": (Sequential, 4),
    "scal": (SCAL, 2),
}


SMALL: dict[str, dict[str, Any]] = {
    "show_attend_tell": dict(features=12, hidden=9),
    "variational": dict(features=12, hidden=9),
    "variational_dirichlet": dict(features=12, hidden=9),
    "sequential": dict(hidden=9, keys=4, values=8, frequencies=2),
    "scal": dict(features=12, hidden=9, reduction=4, attention="both"),
}


GUIDE = ("alignment.posterior", "alignment.label")  # weights that learn only where there is a guide


def make(canvas: int) -> Callable[..., Scenes]:
    return partial(translated, canvas=canvas)


def some(count: int = 6, canvas: int = 12) -> Scenes:
    return fixed_scenes(make(canvas), load("digits").train, 0).slice(0, count)


def build(
    name: str, canvas: int = 12, grid: int = 3, looks: int | None = None, seed: int = 0, **how: Any
) -> tuple[Any, World]:
    kind, usual = KINDS[name]
    looks = usual if looks is None else looks
    world = World(Cells(grid, grid), Classify(CLASSES), looks, context="whole")
    image = (1, canvas, canvas)
    if kind is ShowAttendTell:
        how["looks"] = looks
    torch.manual_seed(seed)
    return kind(world.sensor.shape(image), CLASSES, context=image, **how), world


def small(name: str, looks: int | None = None, **how: Any) -> tuple[Any, World]:
    return build(name, looks=looks, **{**SMALL[name], **how})


def by(draw: Draw) -> Callable[..., Loss]:
    def estimator(
        agent: Any, world: World, scenes: Scenes, generator: torch.Generator | None = None
    ) -> Loss:
        path = rollout(agent, world, scenes, draw, generator)
        total = (path.loss + path.cost).sum(0).mean()
        return Loss(total, path, torch.zeros_like(path.loss))

    return estimator


def gradients(agent: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    agent.zero_grad()
    loss.backward()
    return {n: w.grad.clone() for n, w in agent.named_parameters() if w.grad is not None}
