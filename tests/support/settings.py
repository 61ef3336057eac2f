"""Agents that an estimator of their own asks for, each in a world for it."""

import torch

from hardattn.agents import (
    AdaGlimpse,
    CrossAttention,
    DasNet,
    GATCluster,
    MaskedAutoencoder,
    SelfDistilled,
    StackedHourglass,
)
from hardattn.sensors import Whole, Zoom
from hardattn.tasks import Classify
from hardattn.world import World
from tests.support.estimators import CLASSES, Setting


def clusters() -> Setting:
    torch.manual_seed(9)
    return GATCluster((1, 4, 4), CLASSES, width=8), World(Whole(), Classify(CLASSES), 1)


def episodes() -> Setting:
    torch.manual_seed(9)
    agent = CrossAttention((1, 4, 4), CLASSES, named=CLASSES, width=8)
    return agent, World(Whole(), Classify(CLASSES), 1, first="centre")


def gates() -> Setting:
    torch.manual_seed(9)
    world = World(Whole(), Classify(CLASSES), 2, first="centre")
    return DasNet((1, 4, 4), CLASSES, filters=2), world


def hidden() -> Setting:
    """One look at everything, of patches of which some can be hidden."""
    torch.manual_seed(9)
    world = World(Whole(), Classify(CLASSES), 1, first="centre")
    return MaskedAutoencoder((1, 4, 4), CLASSES, width=8, side=2), world


def views() -> Setting:
    torch.manual_seed(9)
    world = World(Whole(), Classify(CLASSES), 1, first="centre")
    return SelfDistilled((1, 4, 4), CLASSES, width=8, side=2), world


def stacks(bonus: float = 0.0) -> Setting:
    """Two answers, one after the other, at the one place that there is."""
    torch.manual_seed(9)
    agent = StackedHourglass((1, 4, 4), CLASSES, layout=(1, 1, 0, 0), width=4, depth=1)
    return agent, World(Whole(), Classify(CLASSES, bonus=bonus), 1, first="centre")


def zoomed(bonus: float = 0.0) -> Setting:
    torch.manual_seed(9)
    world = World(Zoom(4), Classify(CLASSES, each=True, bonus=bonus), 2, first="centre")
    return AdaGlimpse((1, 4, 4), CLASSES, looks=2, patch=2, width=8, depth=1, heads=2), world
