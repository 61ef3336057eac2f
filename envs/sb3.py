"""Glimpse environments as Stable-Baselines3 takes them.

    from stable_baselines3 import PPO
    from hardattn.envs.sb3 import GlimpseVecEnv

    env = GlimpseVecEnv("DigitsCluttered", 64, action="cell")
    model = PPO("MlpPolicy", env).learn(100_000)

`hardattn.agents.sb3.SB3Agent(model, env)` is an agent, for `hardattn.evaluation.evaluate`.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from hardattn.rng import apart

from .catalogue import unexpected
from .episodes import Problem
from .stepping import StepResult
from .vector import GlimpseVectorEnv

Indices = int | Iterable[int] | None


class GlimpseVecEnv(VecEnv):
    """`GlimpseVectorEnv`, whose images are still cut in one call, behind the face of a `VecEnv`.

    problem, num_envs, **arguments: of `GlimpseVectorEnv`. Actions are flat, for Stable-Baselines3
    refuses a Dict: a Box, or with action="cell" a MultiDiscrete. Observations are flat, too, unless
    flat_observations=False: then they are a Dict, for "MultiInputPolicy".

    An info is empty but where an episode ended. There it has "terminal_observation",
    "TimeLimit.truncated" (never), "episode" with the return "r" and the looks "l", as `Monitor`
    has it, and "label" and "index" of the image.

    seed(s): the seeds of `GlimpseVectorEnv.reset`, from the next reset on. set_options(one dict for
    all): the options of `GlimpseVectorEnv.reset`. Environments are rows of `vector`, and have
    neither methods nor attributes of their own.
    """

    def __init__(self, problem: str | Problem, num_envs: int = 1, **arguments: Any):
        fixed = {"autoreset_mode": AutoresetMode.SAME_STEP, "tensors": True, "flat_actions": True}
        if given := sorted(fixed.keys() & arguments.keys()):
            raise unexpected(type(self).__name__, given, "Stable-Baselines3 leaves no choice of it")
        arguments = {"flat_observations": True} | arguments | fixed
        self.vector = GlimpseVectorEnv(problem, num_envs, **arguments)
        self.actions, self.observations = self.vector.actions, self.vector.observations
        self.waiting: Any = None
        super().__init__(
            num_envs, self.vector.single_observation_space, self.vector.single_action_space
        )

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """What the next reset starts from; no two numbers have an environment in common."""
        first = super().seed(seed)[0]
        assert first is not None
        self._seeds = [*apart(first, self.num_envs)]
        return self._seeds

    def reset(self) -> Any:
        first, *others = self._options
        if any(self._options) and any(each is not first for each in others):
            raise ValueError("options are one dict, the same for all environments")
        self.vector.restart(None if None in self._seeds else self._seeds, first)
        self._reset_seeds()
        self._reset_options()
        return self._shown()

    def step_async(self, actions: Any) -> None:
        self.waiting = actions

    def step_wait(self) -> tuple[Any, NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        moved = self.vector.move(self.waiting)
        ended = moved.terminated
        dones = np.full(self.num_envs, ended.cpu() if isinstance(ended, Tensor) else ended)
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        if moved.seen is not None:
            self._farewell(moved, dones, infos)
        return self._shown(), moved.reward.cpu().numpy().copy(), dones, infos

    def _farewell(
        self, moved: StepResult, dones: NDArray[np.bool_], infos: list[dict[str, Any]]
    ) -> None:
        """What there is to say of the episodes that ended, in whose place others were begun."""
        assert moved.seen is not None and moved.context is not None
        last = _arrays(self.observations.of(moved.seen, moved.context))
        if isinstance(last, dict):
            rows = [dict(zip(last, row, strict=True)) for row in zip(*last.values(), strict=True)]
        else:
            rows = list(last)
        names = "return", "looks", "label", "index"
        told = [moved.ended[name][0].tolist() for name in names]
        for row in dones.nonzero()[0]:
            gained, looks, label, index = (column[row] for column in told)
            infos[row] = {
                "terminal_observation": rows[row],
                "TimeLimit.truncated": False,
                "episode": {"r": gained, "l": looks},
                "label": label,
                "index": index,
            }

    def _shown(self) -> Any:
        stepping = self.vector.stepping
        assert stepping.seen is not None
        return _arrays(self.observations.of(stepping.seen, stepping.episodes.context))

    def close(self) -> None:
        self.vector.close()

    def get_images(self) -> Sequence[Any]:
        return self.vector.render() or [None] * self.num_envs

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        return [getattr(self.vector, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> None:
        raise AttributeError(f"no environment has an {attr_name!r} of its own: set that of .vector")

    def env_method(
        self, method_name: str, *args: Any, indices: Indices = None, **named: Any
    ) -> list[Any]:
        raise AttributeError(f"no environment has a {method_name!r} of its own: call it of .vector")

    def env_is_wrapped(self, wrapper_class: type[Any], indices: Indices = None) -> list[bool]:
        """True of `Monitor`: what that would tell of an episode is told."""
        return [wrapper_class is Monitor for _ in self._get_indices(indices)]


def _arrays(tree: Any) -> Any:
    """NumPy arrays that nobody else holds: a flat observation was put together for the occasion."""
    if isinstance(tree, dict):
        return {name: value.cpu().numpy().copy() for name, value in tree.items()}
    return tree.cpu().numpy()
