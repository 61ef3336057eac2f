"""Double attention: its equations, and what theory says exactly."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from tests.support.channel_blocks import build, close, images, tensors_of

# How many weights the equations give for C channels.
WEIGHTS: dict[str, Callable[..., int]] = {
    "double": lambda c: 4 * c * (c // 4) + 2 * (c // 4) + c,
}


def test_double_attention_is_its_equation():
    x, block = images(2, 8, 2, 3), build("double", 8)
    places = x.flatten(2)

    def at(conv: nn.Conv2d, b: int, p: int) -> Tensor:
        value = conv.weight[:, :, 0, 0] @ places[b, :, p]
        return value if conv.bias is None else value + conv.bias

    gathered, given = tensors_of(block, x)
    for b in range(2):
        descriptors = []
        for n in range(2):
            scores = torch.stack([at(block.gather, b, p)[n] for p in range(6)])
            share = torch.exp(scores) / torch.exp(scores).sum()
            close(gathered[b, n], share)
            descriptors.append(sum(share[p] * at(block.features, b, p) for p in range(6)))
        for p in range(6):
            scores = torch.exp(at(block.give, b, p))
            share = scores / scores.sum()
            close(given[b].flatten(1)[:, p], share)
            out = block.out.weight[:, :, 0, 0] @ sum(share[n] * descriptors[n] for n in range(2))
            close(block(x)[b].flatten(1)[:, p], places[b, :, p] + out + block.out.bias)
