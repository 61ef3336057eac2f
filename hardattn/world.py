"""A world: through what one looks, what is asked, how often; and the one place of observation."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from hardattn.scenes import Scenes
from hardattn.sensors import Sensor
from hardattn.tasks import Task


class Observation(NamedTuple):
    """What an agent is shown, in training, in evaluation and behind an environment's face."""

    glimpse: Tensor  # (B, ...) what the sensor saw
    location: Tensor  # (B, P) where
    step: Tensor  # (B,) how many looks are over, in [0, 1]


def nothing(scenes: Scenes) -> Tensor:
    """No context: (B, 0)."""
    return scenes.box[:, :0]


def target_centre(scenes: Scenes) -> Tensor:
    """The centre of the target's box, (B, 2): what only an oracle is told."""
    return (scenes.box[:, :2] + scenes.box[:, 2:]) / 2


def image_centre(scenes: Scenes) -> Tensor:
    """The centre of the image, (B, 2)."""
    return torch.zeros_like(scenes.box[:, :2])


CONTEXTS: dict[str, Callable[[Scenes], Tensor]] = {"none": nothing, "target": target_centre}
FIRST_LOOKS: dict[str, Callable[[Scenes], Tensor] | None] = {
    "random": None,
    "centre": image_centre,
    "target": target_centre,
}


class World:
    """T looks through a sensor at a scene, and a task.

    first: where the first look falls, which no agent decides: uniform over the image ("random",
    as in Mnih et al. 2014), or a row of FIRST_LOOKS. context: what the agent is told before it
    looks, a row of CONTEXTS. Both are a world's to say, because an agent sees neither image nor
    target.
    """

    def __init__(
        self,
        sensor: Sensor,
        task: Task,
        looks: int,
        first: str = "random",
        context: str = "none",
    ):
        if looks < 1:
            raise ValueError(f"a world needs at least one look, not {looks}")
        self.sensor, self.task, self.looks = sensor, task, looks
        self.first_name, self.context_name = first, context

    @property
    def sees(self) -> str:
        """What an agent may see here: the class in which its results may be compared."""
        if self.sensor.everything:
            return "sees everything"
        if self.context_name == "none" and self.first_name != "target":
            return "never sees the image"
        return "is told where the target is"

    def open(self, scenes: Scenes) -> Any:
        """What the sensor keeps of the scenes for one episode."""
        return self.sensor.open(scenes.image)

    def context(self, scenes: Scenes) -> Tensor:
        """What agents are told before the first look, (B, D); D = 0 for nothing."""
        return CONTEXTS[self.context_name](scenes)

    def first(self, scenes: Scenes, generator: torch.Generator | None = None) -> Tensor:
        """The first place, (B, 2). Drawn where the generator lives, then moved to the scenes."""
        place = FIRST_LOOKS[self.first_name]
        if place is not None:
            return place(scenes)
        device = scenes.box.device if generator is None else generator.device
        drawn = torch.empty(len(scenes), 2, device=device).uniform_(-1.0, 1.0, generator=generator)
        return drawn.to(scenes.box)

    def place(self, location: Tensor) -> Tensor:
        """Where a look falls: the image point nearest to what was asked for; the centre for NaN."""
        return location.nan_to_num(nan=0.0).clamp(-1.0, 1.0)

    def observe(self, view: Any, location: Tensor, look: int) -> Observation:
        """The observation at look number `look`, counted from 0. Nobody else makes one."""
        place = self.place(location)
        step = torch.full_like(place[:, 0], look / self.looks)
        return Observation(self.sensor.look(view, place), place, step)
