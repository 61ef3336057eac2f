"""From image and place to glimpse.

A sensor has two steps. `open(images)` does once an episode what does not depend on the place;
`look(view, place)` is called at every look. Places are (x, y) in [-1, 1]; (-1, -1) is the outer
corner at top left, so that x = 2 c / W - 1 for a column edge c. Outside the image a retina reads 0.
"""

from typing import Any

from hardattn.sensors.frames import Frames as Frames
from hardattn.sensors.grid import (
    Cells as Cells,
    Grid as Grid,
    Pairs as Pairs,
    Patches as Patches,
)
from hardattn.sensors.retina import (
    Retina as Retina,
    Whole as Whole,
)
from hardattn.sensors.sensor import (
    SIGHTS as SIGHTS,
    Sensor as Sensor,
    sight as sight,
)
from hardattn.sensors.several import Several as Several
from hardattn.sensors.windows import (
    Affine as Affine,
    Crop as Crop,
    Filterbank as Filterbank,
    GaussianWindow as GaussianWindow,
    Zoom as Zoom,
)

SENSORS: dict[str, Any] = {
    "retina": Retina,
    "gaussian_window": GaussianWindow,
    "affine": Affine,
    "crop": Crop,
    "cells": Cells,
    "patches": Patches,
    "pairs": Pairs,
    "several": Several,
    "filterbank": Filterbank,
    "zoom": Zoom,
    "frames": Frames,
    "whole": Whole,
}
