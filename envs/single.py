"""One glimpse environment behind Gymnasium's face: row 0 of a vector of one."""

from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode

from hardattn.scenes import Scenes

from .catalogue import unexpected
from .episodes import Problem
from .observations import array
from .stepping import Facts
from .vector import GlimpseVectorEnv, lasting

MANY = ("num_envs", "autoreset_mode", "device", "tensors")


class GlimpseEnv(gymnasium.Env[Any, Any]):
    """`GlimpseVectorEnv` of one, with its arguments but for those of which only several have use.

    Always NumPy, and on the CPU. info: as there, without masks. options: "index" and "one_pass",
    after which every reset shows the next image, until "valid" is False.
    """

    _spec: EnvSpec | None = None
    metadata = {"render_modes": ["rgb_array", "human"], "render_fps": 4}

    def __init__(self, problem: str | Problem, *, render_mode: str | None = None, **arguments: Any):
        if wrong := [name for name in MANY if name in arguments]:
            raise unexpected(type(self).__name__, wrong, "one environment has no use for it")
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(f"no render mode {render_mode!r}: rgb_array, human, or None")
        self.vector = GlimpseVectorEnv(
            problem,
            autoreset_mode=AutoresetMode.DISABLED,
            render_mode=render_mode and "rgb_array",
            **arguments,
        )
        if self.vector.device.type != "cpu":
            raise ValueError(f"one environment lives on the CPU, not on {self.vector.device}")
        self.__doc__ = self.vector.__doc__
        self.render_mode, self.answers = render_mode, self.vector.answers
        self.action_space = self.vector.single_action_space
        self.observation_space = self.vector.single_observation_space
        self._window: Any = None

    @property
    def spec(self) -> EnvSpec | None:
        """By what it was made, and how long its episodes are."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        self._spec = spec and lasting(spec, self.vector.world.looks)

    @property
    def scenes(self) -> Scenes:
        """What is looked at, a batch of one: to be read, and before the next step."""
        return self.vector.scenes

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """A new episode, see `GlimpseVectorEnv`."""
        super().reset(seed=seed)
        if seed is None and self.vector.stepping.starts is None:
            self.vector.np_random, seed = self.np_random, self.np_random_seed
            seed = seed if seed is not None and seed >= 0 else None
        self.vector.restart(seed, options)
        self._show()
        facts = self.vector.stepping.facts()
        self._facts = {name: array(value)[0] for name, (value, _) in facts.items()}
        return self._seen(), self._told({})

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Answer, and look on. Raises ValueError, naming the field, for what is no action."""
        stepping = self.vector.stepping
        if stepping.over is True:
            raise gymnasium.error.ResetNeeded("the episode has ended: call reset before step")
        moved = self.vector.move(action, single=True)
        self._show()
        reward = 0.0 if moved.reward is stepping.nothing else moved.reward.item()
        return self._seen(), reward, moved.terminated is True, False, self._told(moved.facts)

    def render(self) -> Any:
        """The picture of `rendering.Renderer`; None where it is shown in a window."""
        pictures = self.vector.render() if self.render_mode == "rgb_array" else None
        return pictures and pictures[0]

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._window is not None:
            self._window.close()
            self._window = None

    def _show(self) -> None:
        if self.render_mode != "human":
            return
        if self._window is None:
            from .rendering import Window

            self._window = Window(self.metadata["render_fps"])
        for picture in self.vector.render() or ():
            self._window.show(picture)

    def _seen(self) -> Any:
        observations = self.vector.observations
        seen, context = self.vector.stepping.shown()
        if observations.flat:
            return array(observations.of(seen, context))[0]
        shown = {
            "glimpse": array(seen.glimpse)[0].copy(),
            "location": array(seen.location)[0].copy(),
            "step": array(seen.step).copy(),
        }
        if observations.context:
            shown["context"] = array(context)[0].copy()
        return shown

    def _told(self, more: Facts) -> dict[str, Any]:
        """An info: what there is to know of the episode, and of a step."""
        info = {name: fact.copy() for name, fact in self._facts.items()} if self._facts else {}
        for name, (value, flag) in more.items():
            if flag is True:
                info[name] = array(value)[0].copy()
        return info
