"""What tests of blocks share: blocks in float64, what they see, and the maps that they say."""

import torch
from torch import Tensor, nn

from hardattn.attention import BLOCKS
from hardattn.maps import Map, recorded


def bottleneck(c: int, middle: int) -> int:
    return 2 * c + c * middle + 2 * middle + 9 * middle**2 + 2 * middle + middle * c


def made(name: str, channels: int, **options) -> nn.Module:
    torch.manual_seed(0)
    return BLOCKS[name].make(channels, **options).double().eval()


def features(*shape: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def maps_of(block: nn.Module, x: Tensor) -> list[Map]:
    with recorded(block) as maps:
        block(x)
    return maps


def map_of(block: nn.Module, x: Tensor) -> Tensor:
    with recorded(block) as maps:
        block(x)
    return maps[0].tensor


def read(image: Tensor, row: float, column: float) -> float:
    """One channel, bilinearly, 0 outside."""
    total = 0.0
    for r in range(image.shape[0]):
        for c in range(image.shape[1]):
            near = max(0.0, 1 - abs(row - r)) * max(0.0, 1 - abs(column - c))
            total += near * image[r, c].item()
    return total
