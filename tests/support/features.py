"""What blocks see in networks that have learned nothing yet."""

from functools import lru_cache, partial

import torch
from torch import Tensor, nn

from hardattn.agents.soft import cnn, no_block
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
def untrained(seed: int) -> Tensor:
    """Features of a few images before the first block, as its first update sees them.

    (B, 32, 12, 12), normalised by the batch, float64.
    """
    torch.manual_seed(seed)
    network = cnn((1, 48, 48), CHANNELS, CHANNELS, no_block).double()
    below = next(i for i, part in enumerate(network) if isinstance(part, nn.Identity))
    with torch.no_grad():
        return network[:below](_images())
