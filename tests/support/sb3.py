"""Environments for Stable-Baselines3, each with a plain vector environment beside it."""

from functools import lru_cache
from typing import Any

import torch

from hardattn.data import Split
from hardattn.envs import GlimpseVectorEnv, Problem
from hardattn.envs.sb3 import GlimpseVecEnv
from hardattn.scenes import plain
from hardattn.sensors import Retina
from hardattn.tasks import Classify
from hardattn.world import World

CLASSES, LOOKS, ENVS = 3, 4, 6


# What a policy may be asked for, by what its actions are.
PLACE: dict[str, Any] = {"action": "place"}


LOGITS: dict[str, Any] = {"action": "place", "answer": "logits"}


MOVE: dict[str, Any] = {"action": "move", "stop": True}


CELL: dict[str, Any] = {"action": "cell", "cells": (3, 4)}


KINDS = {
    "place": PLACE,
    "place, stop": PLACE | {"stop": True},
    "logits": LOGITS,
    "logits, Dict": LOGITS | {"flat_observations": False},
    "move, stop": MOVE,
    "cell": CELL,
    "cell, stop": CELL | {"stop": True},
    "no answer": CELL | {"answer": "none"},
}


@lru_cache
def problem(reach: float | None = None, context: str = "none") -> Problem:
    """Noise whose brightness tells the class."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(CLASSES, (40,), generator=generator)
    noise = torch.randint(80, (40, 1, 10, 12), generator=generator)
    split = Split((noise + 80 * labels[:, None, None, None]).to(torch.uint8), labels)
    task = Classify(CLASSES, each=True, bonus=1.0)
    world = World(Retina(3, 2), task, LOOKS, reach=reach, context=context)
    return Problem(world, plain, split, ("dark", "grey", "bright"))


def given(kind: dict[str, Any]) -> Problem:
    return problem(0.4 if kind["action"] == "move" else None)


def vec(kind: dict[str, Any], count: int = ENVS) -> GlimpseVecEnv:
    return GlimpseVecEnv(given(kind), count, **kind)


def plain_vector(kind: dict[str, Any], count: int = ENVS) -> GlimpseVectorEnv:
    flat = {"flat_actions": True, "flat_observations": True}
    return GlimpseVectorEnv(given(kind), count, **(flat | kind))
