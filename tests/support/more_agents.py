"""DRAW's reader, RAM with learned widths or a guide, and glance and focus: small, with a world."""

from functools import lru_cache, partial
from typing import Any

import torch

from hardattn.agents.gaussian import DrawReader, ZoomRAM
from hardattn.agents.glance_focus import GlanceFocus
from hardattn.data import load
from hardattn.scenes import Scenes, fixed_scenes, translated
from hardattn.sensors import Filterbank, Retina, Sensor, Zoom
from hardattn.tasks import Classify
from hardattn.world import World

SIDE, LOOKS = 16, 4


SMALL: dict[str, Any] = dict(hidden=12, what=9, where=7)


GLANCE: dict[str, Any] = dict(hidden=12, features=9)


MAKE = partial(translated, canvas=SIDE)


@lru_cache
def scenes() -> Scenes:
    return fixed_scenes(MAKE, load("digits").train, 0).slice(0, 12)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


SENSORS: dict[type, Sensor] = {DrawReader: Filterbank(4), ZoomRAM: Zoom(4)}


def build(kind: type, seed: int = 0, looks: int = LOOKS, **options: Any) -> tuple[Any, World]:
    """An agent, small, and a world for it."""
    sensor = SENSORS.get(kind, Retina(3, 2))
    glances = kind is GlanceFocus
    context = "coarse" if glances else "none"
    world = World(sensor, Classify(10, each=True), looks, context=context)
    options = (dict(context=(1, 12, 12), **GLANCE) if glances else SMALL) | options
    torch.manual_seed(seed)
    return kind(sensor.shape((1, SIDE, SIDE)), 10, **options), world
