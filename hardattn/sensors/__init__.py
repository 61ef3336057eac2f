"""Sensors: an image and a place become a glimpse."""

from hardattn.sensors.retina import (
    SENSORS as SENSORS,
)
from hardattn.sensors.retina import (
    SIGHTS as SIGHTS,
)
from hardattn.sensors.retina import (
    Cells as Cells,
)
from hardattn.sensors.retina import (
    Grid as Grid,
)
from hardattn.sensors.retina import (
    Pairs as Pairs,
)
from hardattn.sensors.retina import (
    Patches as Patches,
)
from hardattn.sensors.retina import (
    Retina as Retina,
)
from hardattn.sensors.retina import (
    Sensor as Sensor,
)
from hardattn.sensors.retina import (
    Whole as Whole,
)
from hardattn.sensors.retina import (
    sight as sight,
)
from hardattn.sensors.windows import (
    Affine as Affine,
)
from hardattn.sensors.windows import (
    Crop as Crop,
)
from hardattn.sensors.windows import (
    Filterbank as Filterbank,
)
from hardattn.sensors.windows import (
    GaussianWindow as GaussianWindow,
)
from hardattn.sensors.windows import (
    Zoom as Zoom,
)
