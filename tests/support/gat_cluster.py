"""A small GATCluster, its scenes, and its answers."""

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from hardattn.agents import GATCluster
from hardattn.data import Dataset, load
from hardattn.scenes import Scenes, translated
from hardattn.sensors import Whole
from hardattn.tasks import Cluster
from hardattn.world import World

CLUSTERS = 4


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


WORLD = World(Whole(), Cluster(CLUSTERS), 1, first="centre")


SIDE = 16


def labelled(some: Scenes, target: Tensor) -> Scenes:
    return Scenes(some.image, target, some.box, some.index)


@lru_cache
def digits() -> Dataset:
    return load("digits")


def scenes() -> Scenes:
    some = translated(digits().train, torch.arange(12), seeded(0), canvas=SIDE)
    return labelled(some, some.target % CLUSTERS)


def build(seed: int = 0, **options: Any) -> GATCluster:
    torch.manual_seed(seed)
    return GATCluster((1, SIDE, SIDE), CLUSTERS, width=8, **options)


def both(agent: GATCluster, some: Scenes) -> tuple[Tensor, Tensor]:
    """Probabilities of the attended and of the un-attended answer."""
    seen = WORLD.observe(WORLD.open(some), WORLD.first(some), 0)
    state, decision = agent.step(agent.start(WORLD.context(some)), seen)
    return decision.logits.softmax(1), agent.unattended(state).softmax(1)
