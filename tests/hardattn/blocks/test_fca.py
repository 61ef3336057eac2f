"""Frequency channel attention: its equations, and what theory says exactly."""

from collections.abc import Callable
from math import cos, pi, sqrt

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from hardattn.attention import BLOCKS
from hardattn.blocks.fca import TOP
from tests.support.channel_blocks import build, close, images, tensors_of

# How many weights the equations give for C channels.
WEIGHTS: dict[str, Callable[..., int]] = {
    "fca": lambda c: 2 * c * max(8, c // 16),
}


def test_frequency_attention_with_the_constant_alone_is_squeeze_and_excitation():
    x, fca, se = images(2, 16, 7, 9), build("fca", 16, frequencies=1), build("se", 16, seed=1)
    with torch.no_grad():
        for name in ("squeeze", "excite"):
            getattr(se, name).weight.copy_(getattr(fca, name).weight)
            getattr(se, name).bias.zero_()
        se.squeeze.weight.mul_(sqrt(7 * 9))  # of a sum over places by cosines of length one
    close(fca(x), se(x))
    assert not torch.allclose(build("fca", 16)(x), se(x))


@pytest.mark.parametrize("size", [(7, 7), (14, 7), (12, 12), (8, 9), (4, 5)])
def test_frequency_attention_is_its_equation(size: tuple[int, int]):
    height, width = size
    x, block = images(1, 32, *size), build("fca", 32, reduction=4)
    seen = torch.zeros(32, dtype=x.dtype)
    for c in range(32):
        u, v = TOP[c // 2]
        u, v = int(u * height / 7 + 1e-9), int(v * width / 7 + 1e-9)
        for h in range(height):
            for w in range(width):
                wave = cos(pi * u * (h + 0.5) / height) * cos(pi * v * (w + 0.5) / width)
                scale = (sqrt(2) if u else 1) * (sqrt(2) if v else 1) / sqrt(height * width)
                seen[c] += scale * wave * x[0, c, h, w]
    middle = F.relu(block.squeeze.weight @ seen)
    assert middle.any(), "all units are shut: nothing is tested"
    gate = torch.sigmoid(block.excite.weight @ middle)
    close(tensors_of(block, x)[0][0], gate)


@pytest.mark.parametrize(
    "size, distinct", [((7, 7), 16), ((8, 9), 16), ((12, 12), 16), ((4, 4), 9)]
)
def test_frequencies_stay_apart_on_small_maps(size: tuple[int, int], distinct: int):
    seen: list[Tensor] = []
    block = build("fca", 16)
    block.squeeze.register_forward_pre_hook(lambda module, given: seen.append(given[0][0]))
    block(images(1, 1, *size).expand(1, 16, *size))
    assert len(set(seen[0].mul(1e9).round().tolist())) == distinct


def test_frequency_attention_wants_groups_of_one_size():
    with pytest.raises(ValueError, match="24 channels"):
        BLOCKS["fca"].make(24)
