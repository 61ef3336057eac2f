"""What an environment shows: the fields of an observation, or all of them in one row."""

from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from hardattn.scenes import Scenes
from hardattn.sensors import Cells, Filterbank, Grid, Sensor, Several, Zoom
from hardattn.sensors.windows import Window
from hardattn.world import Observation, World

# What windows read is weighted by floating point numbers, whose sum may come out above 1.
ROUNDED = 1 + 2.0**-12


def brightest(sensor: Sensor) -> float:
    """What no number of a glimpse exceeds, if none of the image exceeds 1."""
    if isinstance(sensor, Filterbank) and not isinstance(sensor, Zoom):
        return np.inf  # it multiplies by what it is told
    if isinstance(sensor, Cells):
        return sensor.places  # all of its weights may be 1, and all cells white
    if isinstance(sensor, Several):
        return sensor.rows * sensor.columns
    return ROUNDED if isinstance(sensor, Window) else 1.0


class Observations:
    """The observation space of a world, and observations in it, all float32.

    "glimpse", from 0 to what is `brightest` to the sensor; "location", where that was;
    "step", (1,), the share of the looks that were over before it; and "context", what is told of
    the scene, if anything is. flat: one Box, these side by side.
    """

    def __init__(self, world: World, example: Scenes, flat: bool = False):
        image = example.shape
        self.flat, self.context = flat, world.context(example).numel() > 0
        told = tuple(world.context(example).shape[1:])
        grid = isinstance(world.sensor, Grid)
        bounds: dict[str, tuple[float, float, tuple[int, ...]]] = {
            "glimpse": (0, brightest(world.sensor), world.sensor.shape(image)),
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

    def of(self, seen: Observation, context: Any) -> Any:
        """(B, ...) tensors, or arrays, of this space."""
        fields: dict[str, Any] = {
            "glimpse": seen.glimpse,
            "location": seen.location,
            "step": seen.step[:, None],
        }
        if self.context:
            fields["context"] = context
        if not self.flat:
            return fields
        if isinstance(context, np.ndarray):
            return np.concatenate([each.reshape(len(each), -1) for each in fields.values()], 1)
        return torch.cat([field.flatten(1) for field in fields.values()], 1)


def array(value: Any) -> Any:
    """A tensor as NumPy, and what is NumPy as it is; either may share memory with it."""
    return value if type(value) is np.ndarray else value.cpu().numpy()
