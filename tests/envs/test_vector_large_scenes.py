"""Environments of scenes that nobody has painted show what those of painted ones show."""

from typing import Any

import numpy as np
import pytest
import torch

from hardattn.envs import GlimpseVectorEnv
from hardattn.scenes import canvas
from hardattn.scenes.sprites import Sprites
from hardattn.sensors import retina
from tests.support.envs import PROBLEMS, same

ALIKE = [name for name in PROBLEMS if name != "drifting"]


def episodes(name: str, mode: str) -> list[Any]:
    """What some environments show, from which agents stop at different times."""
    problem = PROBLEMS[name]
    given: dict[str, Any] = {"stop": name != "sequence", "render_mode": "rgb_array"}
    env = GlimpseVectorEnv(
        problem, 5, tensors=True, answer="logits", action="place", autoreset_mode=mode, **given
    )
    drawn = torch.Generator().manual_seed(1)
    shown: list[Any] = [env.reset(seed=3)[0]]
    for _ in range(9):
        action = {
            "location": torch.rand(5, problem.world.places, generator=drawn) * 2 - 1,
            "answer": torch.randn(5, problem.world.task.classes, generator=drawn),
        }
        if given["stop"]:
            action["stop"] = torch.rand(5, generator=drawn) < 0.3
        seen, reward, ended, _, _ = env.step(action)
        over = bool(ended.any()) and mode == "Disabled"
        shown += [seen, reward, ended, env.scenes.image.clone(), env.render()]
        if over:
            shown.append(env.reset(options={"reset_mask": ended.numpy()})[0])
    shown.append(isinstance(env.scenes.picture, Sprites))
    return shown


@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
@pytest.mark.parametrize("name", ALIKE)
def test_they_show_the_same(monkeypatch: pytest.MonkeyPatch, name: str, mode: str) -> None:
    painted = episodes(name, mode)
    for module in (canvas, retina):
        monkeypatch.setattr(module, "LARGE", 0)
    *found, sprites = episodes(name, mode)
    assert sprites and not painted.pop()
    assert len(found) == len(painted)
    for one, other in zip(found, painted, strict=True):
        if isinstance(one, tuple):  # pictures
            assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
        else:
            same(one, other)
