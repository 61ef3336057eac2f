"""Split attention: its equations, and what theory says exactly."""

from collections.abc import Callable

import pytest
import torch

from hardattn.attention import BLOCKS
from tests.support.channel_blocks import build, close, images, tensors_of

# How many weights the equations give for C channels.
WEIGHTS: dict[str, Callable[..., int]] = {
    "split": lambda c: 9 * c * c + 4 * c + (c + 2 + 2 * c) * max(c // 2, 32) + 2 * c,
}


def test_split_attention_of_one_split_is_a_sigmoid_gate():
    x, block = images(2, 16, 6, 5), build("split", 16, radix=1)
    features = block.splits(x)
    gate = torch.sigmoid(block.excite(block.squeeze(features.mean((2, 3)))))
    close(tensors_of(block, x)[0], gate[:, None])
    close(block(x), features * gate[:, :, None, None])


def test_split_attention_is_its_equation():
    x, block = images(2, 16, 6, 5), build("split", 16)
    (weights,) = tensors_of(block, x)
    one, other = block.splits(x).chunk(2, 1)
    logits = block.excite(block.squeeze((one + other).mean((2, 3))))
    share = torch.sigmoid(logits[:, :16] - logits[:, 16:])
    close(weights, torch.stack([share, 1 - share], 1))
    share = share[:, :, None, None]
    close(block(x), share * one + (1 - share) * other)
    only_first = torch.cat([x[:, :8], torch.zeros_like(x[:, 8:])], 1)
    close(block.splits(only_first)[:, :16], one)
    assert not torch.allclose(block.splits(only_first)[:, 16:], other)
    with pytest.raises(ValueError, match="radix 2"):
        BLOCKS["split"].make(15)
