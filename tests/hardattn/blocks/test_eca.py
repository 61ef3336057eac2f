"""Efficient channel attention: its equations, and what theory says exactly."""

from collections.abc import Callable
from math import log2

import pytest
import torch

from hardattn.attention import BLOCKS
from hardattn.blocks.eca import kernel_for
from tests.support.channel_blocks import build, close, images, tensors_of

# How many weights the equations give for C channels.
WEIGHTS: dict[str, Callable[..., int]] = {
    "eca": lambda c: 3,  # for 8 to 127 channels
}


@pytest.mark.parametrize(
    "channels, kernel",
    [(8, 3), (16, 3), (32, 3), (64, 3), (128, 5), (256, 5), (512, 5), (1024, 5), (2048, 7)],
)
def test_the_kernel_of_eca_for_powers_of_two(channels: int, kernel: int):
    assert kernel_for(channels) == kernel
    assert BLOCKS["eca"].make(channels).conv.weight.shape == (1, 1, kernel)


def test_the_kernel_of_eca_is_the_nearest_odd_number():
    for channels in range(8, 2049):
        kernel, exact = kernel_for(channels), (log2(channels) + 1) / 2
        assert kernel % 2 == 1
        assert abs(kernel - exact) <= 1


def test_eca_is_its_equation():
    x, block = images(2, 8, 3, 5), build("eca", 8, kernel=5)
    (gate,) = tensors_of(block, x)
    weight = block.conv.weight[0, 0]
    for b in range(2):
        for c in range(8):
            seen = [(k, c + k - 2) for k in range(5) if 0 <= c + k - 2 < 8]
            logit = sum(weight[k] * x[b, d].mean() for k, d in seen)
            close(gate[b, c], torch.sigmoid(logit))
    close(block(x), x * gate[:, :, None, None])
