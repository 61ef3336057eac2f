"""What blocks see in networks that have learned nothing yet."""

from functools import lru_cache, partial

import torch
from torch import Tensor

from hardattn.agents.soft import CNN, ResidualUnit
from hardattn.data import load
from hardattn.scenes import cluttered, fixed_scenes

CHANNELS = 32  # of the recipe of soft attention
SEEDS = range(20)
COUNT = 3


@lru_cache
def _images() -> Tensor:
    make = partial(cluttered, canvas=48, zoom=2, distractors=4, distractor_size=8)
    return fixed_scenes(make, load("digits").train, 0).slice(0, COUNT).image.double() / 255


@lru_cache
def untrained(seed: int, placement: str = "scaled") -> Tensor:
    """What the first block that stands there sees of a few images in the first update.

    (B, 32, 12, 12), normalised by the batch, float64. placement: a row of PLACEMENTS.
    """
    torch.manual_seed(seed)
    network = CNN((1, 48, 48), CHANNELS, CHANNELS).double()
    unit = network.units[0]
    assert isinstance(unit, ResidualUnit)
    below = {"branch": unit.after, "replacement": unit.second}.get(placement, network.norm)
    seen: list[Tensor] = []
    if placement == "replacement":
        below.register_forward_pre_hook(lambda part, given: seen.append(given[0]))
    else:
        below.register_forward_hook(lambda part, given, made: seen.append(made))
    with torch.no_grad():
        network(_images())
    return seen[0].relu() if placement == "pooling" else seen[0]
