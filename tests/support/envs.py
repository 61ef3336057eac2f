"""What the tests of environments share: problems small enough, and an agent that wanders."""

from functools import cache, partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hardattn.data import DataError
from hardattn.distributions import Gaussian, Stop
from hardattn.envs import CATALOGUE, Problem, problem_of
from hardattn.problem import SCENES
from hardattn.rollout import Decision
from hardattn.sensors import Cells, Retina, Sensor, Zoom
from hardattn.tasks import Classify, Sequence, Task
from hardattn.world import World

IDS = [f"hardattn/{name}-v0" for name in CATALOGUE]
OFFLINE = [name for name, entry in CATALOGUE.items() if entry.dataset in ("", "digits")]


@cache
def absent(name: str) -> str:
    """Why that environment cannot be made here; nothing if it can."""
    try:
        problem_of(name, "test")
    except DataError as fault:
        return str(fault)
    return ""


def needs(name: str) -> None:
    """Skip the test where the dataset of that environment is not at hand."""
    if reason := absent(name.removeprefix("hardattn/").removesuffix("-v0")):
        pytest.skip(reason)


def lasting(name: str, looks: int) -> dict[str, Any]:
    """Settings with which episodes are that long: a game lasts as long as its screen is high.

    A sentence of ten words takes ten looks, or as many for each.
    """
    if name.endswith("Captions"):
        return {"looks": 10 * -(-looks // 10)}
    return {"looks": looks, "canvas": looks} if name == "Catch" else {"looks": looks}


class Drifting(World):
    """A world that changes and judges the looking itself: the image moves on, row by row, with
    every decision, and to look left of where one looked before is rewarded.
    """

    judged_at_end = False

    def advance(self, view: Any, place: Tensor) -> Any:
        image, _ = view
        return image.roll(1, 2), place[:, 0]

    def open(self, scenes: Any) -> Any:
        return self.sensor.open(scenes.image), scenes.centre[:, 0].clone()

    def observe(self, view: Any, location: Tensor, look: int) -> Any:
        return super().observe(view[0], location, look)

    def outcome(self, view: Any, logits: Tensor, target: Tensor, final: Tensor) -> Any:
        reward, loss = self.task(logits, target, final, self.looks)
        return reward + final * view[1], loss

    def picture(self, view: Any) -> Tensor:
        return (view[0] * 255).to(torch.uint8)


def problem(
    sensor: Sensor | None = None,
    task: Task | None = None,
    looks: int = 4,
    kind: type[World] = World,
    scene: str = "translated",
    **options: Any,
) -> Problem:
    """Digits on a canvas of 24 x 24, or what is said."""
    base = problem_of("DigitsPlain", "test")
    world = kind(sensor or Retina(5, 2), task or Classify(10, bonus=1.0), looks, **options)
    maker = SCENES[scene].make
    make = partial(maker, canvas=24) if scene != "plain" else maker
    return Problem(world, make, base.split, base.answers)


def problems() -> dict[str, Problem]:
    """Worlds of every kind."""
    return {
        "retina": problem(),
        "each": problem(task=Classify(10, each=True, bonus=0.5)),
        "reach": problem(reach=0.3),
        "zoom": problem(Zoom(5)),
        "cells": problem(Cells(4, 3)),
        "coarse": problem(context="coarse", first="centre"),
        "one look": problem(looks=1),
        "sequence": Problem(
            World(Retina(5, 2), Sequence(11), 8),
            partial(SCENES["sequence"].make, canvas=(12, 30)),
            problem_of("DigitsPlain", "test").split,
            tuple("0123456789x"),
        ),
        "drifting": problem(Zoom(5), Classify(10, bonus=1.0), kind=Drifting),
    }


PROBLEMS = problems()


class Wanderer:
    """Looks and answers by what it sees, stops if it may, and keeps what it was shown."""

    def __init__(self, classes: int, stops: bool = False):
        self.classes, self.stops = classes, stops
        self.seen: list[Any] = []

    def start(self, context: Tensor) -> Tensor:
        return context.new_zeros(len(context), 1)

    def step(self, state: Tensor, seen: Any) -> tuple[Tensor, Decision]:
        self.seen.append(seen)
        inside = seen.glimpse.flatten(1).double().sum(1, keepdim=True)
        state = state + inside
        number = torch.arange(1.0, self.classes + 1)
        logits = (3 * torch.sin(state * number)).float()
        mean = torch.cos(state * torch.arange(1.0, seen.location.shape[1] + 1)).float()
        none = logits[:, 0] * 0
        halt = Stop(torch.sin(state[:, 0]).float()) if self.stops else None
        return state, Decision(Gaussian(mean, 0.7), logits, none, none, halt)


def same(one: Any, other: Any, path: str = "", *, close: bool = False) -> None:
    """Asserts that observations or infos are of one type, and equal to the bit, or nearly."""
    if isinstance(one, dict):
        assert set(one) == set(other), f"{path}: {set(one) ^ set(other)}"
        for name in one:
            same(one[name], other[name], f"{path}/{name}", close=close)
    elif isinstance(one, np.ndarray) and one.dtype == object:
        assert len(one) == len(other), path
        for row, (left, right) in enumerate(zip(one, other, strict=True)):
            assert (left is None) == (right is None), f"{path}/{row}"
            if left is not None:
                same(left, right, f"{path}/{row}", close=close)
    else:
        one, other = np.asarray(one), np.asarray(other)
        assert one.dtype == other.dtype and one.shape == other.shape, path
        assert np.allclose(one, other, atol=1e-6) if close else np.array_equal(one, other), path
