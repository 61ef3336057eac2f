"""All that is seen lies in its space: every problem through every sensor, and all that is white."""

import inspect
from typing import Any

import numpy as np
import pytest
import torch

from hardattn.data import Split
from hardattn.envs import CATALOGUE, GlimpseVectorEnv, Problem
from hardattn.scenes import plain
from hardattn.sensors import SENSORS
from hardattn.tasks import Classify
from hardattn.world import World
from tests.support.envs import lasting, needs
from tests.support.sensors import example

# What each sensor is to be told, beside what the catalogue says.
EYES: dict[str, dict[str, Any]] = {
    "cells": {"rows": 4, "columns": 2},
    "patches": {"rows": 4, "columns": 2},
    "pairs": {"rows": 2, "columns": 2},
    "several": {"rows": 2, "columns": 3, "side": 5},
    "crop": {"cover": 0.3},
}


POINTS = {name for name in SENSORS if example(name).places == 2}


def far_and_near(env: GlimpseVectorEnv, steps: int) -> None:
    """Asserts that all that is seen lies in its space, at places of every kind."""
    env.action_space.seed(0)
    seen, _ = env.reset(seed=0)
    for step in range(steps):
        for field, space in env.observation_space.items():  # type: ignore[attr-defined]
            assert space.contains(seen[field]), (field, seen[field].min(), seen[field].max())
        action = env.action_space.sample()
        if step % 3 == 1:  # to the corners of what there is
            action["location"] = np.sign(action["location"])
        if step % 3 == 2:  # and close to them
            action["location"] = np.sign(action["location"]) * np.float32(1 - 1e-6)
        seen, *_ = env.step(action)


@pytest.mark.parametrize("sensor", SENSORS)
@pytest.mark.parametrize("name", CATALOGUE)
def test_all_that_any_sensor_shows_of_any_problem_lies_in_its_space(name: str, sensor: str) -> None:
    needs(name)
    given = EYES.get(sensor, {})
    if "reach" in CATALOGUE[name].settings:
        given = given | {"reach": None}  # which is for points alone
    given = given | {"sensor": sensor} | lasting(name, 8)
    if name == "Catch" and sensor not in POINTS:
        with pytest.raises(ValueError, match="who plays looks at points"):
            GlimpseVectorEnv(name, 4, **given)
        return
    far_and_near(GlimpseVectorEnv(name, 4, **given), 8)


@pytest.mark.parametrize("scales, size", [(1, 5), (4, 4)])
@pytest.mark.parametrize("sensor", SENSORS)
def test_nothing_is_brighter_than_its_space_where_all_is_white(
    sensor: str, scales: int, size: int
) -> None:
    """Sums of many weights are rounded, and weights of cells need not be one."""
    takes = inspect.signature(SENSORS[sensor]).parameters
    options = EYES.get(sensor, {}) | {"size": size, "scales": scales}
    eye = SENSORS[sensor](**{key: value for key, value in options.items() if key in takes})
    split = Split(torch.full((9, 1, 36, 28), 255, dtype=torch.uint8), torch.arange(9))
    for context in ("none", "coarse"):
        world = World(eye, Classify(9, bonus=1.0), 8, context=context)
        env = GlimpseVectorEnv(Problem(world, plain, split, tuple("abcdefghi")), 100)
        far_and_near(env, 12)
