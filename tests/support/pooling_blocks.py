"""What tests of pooling attention share."""

import torch
from torch import Tensor, nn

from hardattn.attention import HEADS


def linear(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def s3ta(c: int, k: int) -> int:
    """Keys of 8 and a basis of 16 beside them, LSTM of 64 (four gates, two biases each)."""
    lstm = 4 * 64 * (c + 16 + 64) + 2 * 4 * 64
    return 8 * c + linear(c, c) + lstm + linear(64, 64) + linear(64, 8 + 16) + linear(64, k)


CLASSES = 5


def build(name: str, channels: int = 16, **options: object) -> nn.Module:
    torch.manual_seed(0)
    return HEADS[name].make(channels, CLASSES, **options).double().eval()


def features(channels: int = 16, size: tuple[int, int] = (3, 4), count: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, channels, *size, generator=generator, dtype=torch.float64)


def shuffled(x: Tensor) -> Tensor:
    order = torch.randperm(x[0, 0].numel(), generator=torch.Generator().manual_seed(2))
    return x.flatten(2)[..., order].view_as(x)
