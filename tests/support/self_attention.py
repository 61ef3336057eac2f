"""What tests of self-attention share: attention by loops, in float64."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from hardattn.attention import BLOCKS


def build(name: str, channels: int = 16, **options: Any) -> nn.Module:
    """A block in evaluation, float64, in which nothing is at its start."""
    torch.manual_seed(0)
    block = BLOCKS[name].make(channels, **options).double().eval().requires_grad_(False)
    for weight in block.parameters():
        weight.add_(0.3 * torch.randn_like(weight))
    return block


def image(channels: int = 16, height: int = 3, width: int = 4, count: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, channels, height, width, generator=generator, dtype=torch.float64)


def queries_and_keys(places: int = 30, count: int = 2, heads: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    both = torch.randn(2, count, heads, places, 4, generator=generator, dtype=torch.float64)
    return both[0], both[1]


def shares(scores: dict[int, Tensor]) -> dict[int, Tensor]:
    """A softmax by hand, over those that are there."""
    most = max(float(score) for score in scores.values())
    risen = {j: torch.exp(score - most) for j, score in scores.items()}
    total = sum(risen.values())
    return {j: score / total for j, score in risen.items()}


def attend(query: Tensor, key: Tensor, value: Tensor, sees: Callable[[int, int], bool]) -> Tensor:
    """(N, d), (N, d), (N, D) -> (N, D): place i attends to the places j that it sees."""
    rows = []
    for i in range(len(query)):
        weights = shares({j: query[i] @ key[j] for j in range(len(key)) if sees(i, j)})
        rows.append(sum(weight * value[j] for j, weight in weights.items()))
    return torch.stack(rows)


def everything(i: int, j: int) -> bool:
    return True


def places(x: Tensor) -> Tensor:
    """(C, H, W) -> (N, C)."""
    return x.flatten(1).T


def pointwise(conv: nn.Module, x: Tensor) -> Tensor:
    """A 1x1 convolution of one image, as a matrix: (C, H, W) -> (N, D)."""
    y = places(x) @ conv.weight[:, :, 0, 0].T
    return y if conv.bias is None else y + conv.bias
