"""What a sensor is, and how much of an image one can show."""

import math
from typing import Any, Protocol

from torch import Tensor


class Sensor(Protocol):
    """What a world looks through."""

    everything: bool  # whether one look shows the whole image
    places: int  # P, the numbers that name a place
    differentiable: bool  # whether a gradient passes from the glimpse to the place
    by_windows: bool  # whether `open` takes scenes.Sprites as well, and sees only where it looks

    def shape(self, image: tuple[int, int, int]) -> tuple[int, ...]:
        """The shape of one glimpse of one image of (C, H, W)."""

    def pixels(self, image: tuple[int, int, int]) -> int:
        """How many numbers a channel one look hands over: the bandwidth that looks are charged."""

    def fine(self, image: tuple[int, int, int]) -> tuple[int, int]:
        """Rows and columns of pixels that one look can show at the image's own resolution.

        At the place, and of the width, that shows most; 0 where none is shown so finely.
        """

    def wide(self, image: tuple[int, int, int]) -> tuple[int, int]:
        """Rows and columns of pixels over which one look can reach, however coarsely."""

    def open(self, images: Any) -> Any:
        """(B, C, H, W) uint8 -> what `look` needs: tensors of B rows, in nested tuples if many.

        One that sees by windows is given the sprites of scenes that nobody has painted.
        """

    def look(self, view: Any, place: Tensor) -> Tensor:
        """View and (B, P) places -> (B, ...) glimpses, floating point in [0, 1]."""

    def bound(self, location: Tensor) -> Tensor:
        """(..., P) numbers of any size -> the places that are nearest to them."""

    def at(self, point: Tensor) -> Tensor:
        """(B, 2) points -> (B, P), the place that lies there."""

    def point(self, place: Tensor) -> Tensor:
        """(..., P) places -> (..., 2), their centres."""


# How much an agent may see, from less to more.
SIGHTS = ("never sees the image", "sees a coarse view", "sees everything")


def sight(sensor: Sensor, image: tuple[int, int, int], looks: int) -> str:
    """How much of an image of (C, H, W) so many looks through a sensor can show: one of SIGHTS.

    Everything where looks that are laid side by side show each pixel at the image's own resolution;
    a coarse view where a single one, wherever and however wide it may be, reaches over all of it.
    """
    sides = image[1:]
    fine = sensor.fine(image)
    if all(fine) and math.prod(-(-side // one) for side, one in zip(sides, fine, strict=True)) <= (
        looks
    ):
        return SIGHTS[2]
    wide = sensor.wide(image)
    return SIGHTS[all(one >= side for one, side in zip(wide, sides, strict=True))]
