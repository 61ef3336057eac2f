"""Images to look at, and a small sensor of each kind."""

from inspect import signature
from typing import Any

import numpy as np
import torch
from hypothesis import settings, strategies as st
from torch import Tensor

from hardattn.sensors import SENSORS, Sensor

# Options of a small sensor, by name, where it has any without a default.
USUAL = dict(size=4, rows=2, columns=3)
# What a kind has beside them, or in their place.
EXAMPLES: dict[str, dict[str, Any]] = {
    "retina": dict(size=5, scales=3),
    "gaussian_window": dict(stride=1.5),
    "crop": dict(cover=0.4),
    "several": dict(count=3, side=4),
    "frames": dict(size=5, scales=3, frames=1),
}


FUZZ = settings(max_examples=80, deadline=None, derandomize=True)


ALONG = st.one_of(st.sampled_from([-1.0, 1.0]), st.floats(-1, 1, width=32))


def example(name: str) -> Sensor:
    """A small sensor of that kind."""
    takes = signature(SENSORS[name]).parameters.values()
    asked = {one.name for one in takes if one.default is one.empty}
    given = {key: value for key, value in USUAL.items() if key in asked} | EXAMPLES.get(name, {})
    missing = [one.name for one in takes if one.default is one.empty and one.name not in given]
    assert not missing, f"EXAMPLES in tests/support/sensors.py says of no {missing} for {name!r}"
    sensor: Sensor = SENSORS[name](**given)
    return sensor


def pictures(count: int, channels: int, height: int, width: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (count, channels, height, width), generator=generator).byte()


def place_of(centre: Tensor, height: int, width: int) -> Tensor:
    """(B, 2) centres (x, y) in pixels -> places."""
    return 2 * centre.float() / torch.tensor([width, height]) - 1


def patch(image: np.ndarray, left: int, top: int, size: int, square: int) -> np.ndarray:
    """The slow reference: pad with zeros, cut, average squares. (C, H, W) -> (C, size, size)."""
    channels, height, width = image.shape
    margin = 2 * size * square + 2
    padded = np.zeros((channels, height + 2 * margin, width + 2 * margin))
    padded[:, margin : margin + height, margin : margin + width] = image / 255
    out = np.zeros((channels, size, size))
    for row in range(size):
        for column in range(size):
            y, x = margin + top + row * square, margin + left + column * square
            out[:, row, column] = padded[:, y : y + square, x : x + square].mean((1, 2))
    return out
