"""Sensors: an image and a place become a glimpse."""

from hardattn.sensors.retina import (
    SENSORS as SENSORS,
    SIGHTS as SIGHTS,
    Cells as Cells,
    Grid as Grid,
    Pairs as Pairs,
    Patches as Patches,
    Retina as Retina,
    Sensor as Sensor,
    Whole as Whole,
    sight as sight,
)
from hardattn.sensors.windows import (
    Affine as Affine,
    Crop as Crop,
    Filterbank as Filterbank,
    GaussianWindow as GaussianWindow,
    Zoom as Zoom,
)
