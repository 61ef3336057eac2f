"""Deformable convolutions: its equations, and what theory says exactly."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hardattn.maps import recorded, replaced
from tests.support.blocks import features, made, read

WEIGHTS: dict[str, Callable[..., int]] = {
    "deformable": lambda c: 9 * c * c + c + 18 * 9 * c + 18,
    "deformable_v2": lambda c: 9 * c * c + c + 27 * 9 * c + 27,
}


def test_deformable_convolution_with_no_offsets_is_a_convolution():
    x = features(2, 4, 5, 7)
    first, second = made("deformable", 4), made("deformable_v2", 4)
    torch.testing.assert_close(first(x), first.conv(x))
    # At the start every tap of the second counts a half.
    half = F.conv2d(x, second.conv.weight / 2, second.conv.bias, padding=1)
    torch.testing.assert_close(second(x), half)


@pytest.mark.parametrize("name", ["deformable", "deformable_v2"])
def test_deformable_convolution_against_a_loop(name: str):
    x, block = features(1, 2, 3, 4), made(name, 2)
    offsets = 1.5 * features(18, 3, 4, seed=2)  # some read outside
    modulation = torch.ones(9, 3, 4, dtype=torch.float64)
    if name == "deformable_v2":
        modulation = torch.rand_like(modulation)
    told = torch.cat([offsets, modulation])[: 27 if name == "deformable_v2" else 18]
    with replaced(block, lambda one: told[None]):
        y = block(x)
    for out in range(2):
        for row in range(3):
            for column in range(4):
                total = block.conv.bias[out].item()
                for tap in range(9):
                    down = row + tap // 3 - 1 + offsets[2 * tap, row, column].item()
                    across = column + tap % 3 - 1 + offsets[2 * tap + 1, row, column].item()
                    weight = (
                        block.conv.weight[out, :, tap // 3, tap % 3] * modulation[tap, row, column]
                    )
                    total += sum(weight[c].item() * read(x[0, c], down, across) for c in range(2))
                assert y[0, out, row, column].item() == pytest.approx(total)


@pytest.mark.parametrize("name", ["deformable", "deformable_v2"])
def test_density_of_a_deformable_convolution_is_how_much_of_a_pixel_it_reads(name: str):
    block, x = made(name, 1), features(2, 1, 6, 5).requires_grad_()
    nn.init.ones_(block.conv.weight)
    told = 1.5 * features(2, 18, 6, 5, seed=2)
    if name == "deformable_v2":
        told = torch.cat([told, torch.rand(2, 9, 6, 5, dtype=torch.float64)], 1)
    with recorded(block) as maps, replaced(block, lambda one: told):
        y = block(x)
    (reads,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(maps[0].density, reads[:, 0])
