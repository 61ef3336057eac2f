"""What tests of channel attention share."""

import torch
from torch import Tensor, nn

from hardattn.attention import BLOCKS
from tests.support.blocks import maps_of


def gate(c: int, units: int) -> int:
    """Two layers with biases, from c channels to some units and back."""
    return 2 * c * units + units + c


def images(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def build(name: str, channels: int, seed: int = 0, **options: object) -> nn.Module:
    """In evaluation, with float64 weights of which none is where it started."""
    torch.manual_seed(seed)
    block = BLOCKS[name].make(channels, **options).double().eval()
    with torch.no_grad():
        for weight in block.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    return block


def tensors_of(block: nn.Module, x: Tensor) -> list[Tensor]:
    return [one.tensor for one in maps_of(block, x)]


def close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)
