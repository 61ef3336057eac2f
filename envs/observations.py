"""What an environment shows: the fields of an observation, or all of them in one row."""

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from hardattn.scenes import Scenes
from hardattn.sensors import Filterbank, Grid, Zoom
from hardattn.world import Observation, World


class Observations:
    """The observation space of a world, and observations in it, all float32.

    "glimpse", in [0, 1] (of a filterbank, which multiplies, from 0 up); "location", where that was;
    "step", (1,), the share of the looks that were over before it; and "context", what is told of
    the scene, if anything is. flat: one Box, these side by side.
    """

    def __init__(self, world: World, example: Scenes, flat: bool = False):
        _, *image = example.image.shape
        self.flat, self.context = flat, world.context(example).numel() > 0
        told = tuple(world.context(example).shape[1:])
        grid = isinstance(world.sensor, Grid)
        multiplies = isinstance(world.sensor, Filterbank) and not isinstance(world.sensor, Zoom)
        bounds: dict[str, tuple[float, float, tuple[int, ...]]] = {
            "glimpse": (0, np.inf if multiplies else 1, world.sensor.shape((*image,))),  # type: ignore[arg-type]
            "location": (0 if grid else -1, 1, (world.places,)),
            "step": (0, 1, (1,)),
        }
        if self.context:
            bounds["context"] = (-1 if world.context_name == "target" else 0, 1, told)
        boxes: dict[str, spaces.Space[Any]] = {
            name: spaces.Box(low, high, shape, np.float32)
            for name, (low, high, shape) in bounds.items()
        }
        self.space: spaces.Box | spaces.Dict = spaces.Dict(boxes)
        if flat:
            low, high = (
                np.concatenate([getattr(box, side).ravel() for box in boxes.values()])
                for side in ("low", "high")
            )
            self.space = spaces.Box(low, high, dtype=np.float32)

    def of(self, seen: Observation, context: Tensor) -> Any:
        """(B, ...) tensors, of this space."""
        fields = {
            "glimpse": seen.glimpse,
            "location": seen.location,
            "step": seen.step.unsqueeze(1),
        }
        if self.context:
            fields["context"] = context
        if not self.flat:
            return fields
        return torch.cat([field.flatten(1) for field in fields.values()], 1)
