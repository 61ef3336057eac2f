"""Mirror attention: its equations, and what theory says exactly."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from tests.support.blocks import features, made, map_of

WEIGHTS: dict[str, Callable[..., int]] = {
    "mirror": lambda c: 9 * 2 * c + 49 + 49,
}


def mirrored(block: nn.Module) -> nn.Module:
    """The block with kernels that are their own mirror images."""
    with torch.no_grad():
        for conv in (block.compare, block.widen, block.decide):
            conv.weight.add_(conv.weight.flip(3)).div_(2)
    return block


@pytest.mark.parametrize("width", [6, 7])
def test_mirror_attention_is_symmetric_for_symmetric_input(width: int):
    x, block = features(2, 4, 5, width), mirrored(made("mirror", 4))
    even = x + x.flip(3)
    torch.testing.assert_close(block(even), block(even).flip(3))
    gate = map_of(block, x)
    assert not torch.allclose(gate, gate.flip(3))


def test_mirror_attention_compares_both_sides():
    # Read alike, the two halves give one map for an image and its mirror image, and it is even.
    x, block = features(2, 4, 5, 6), mirrored(made("mirror", 4))
    with torch.no_grad():
        block.compare.weight[:, 4:] = block.compare.weight[:, :4]
    gate = map_of(block, x)
    torch.testing.assert_close(map_of(block, x.flip(3)), gate)
    torch.testing.assert_close(gate.flip(3), gate)


def test_mirror_attention_reads_the_other_side_where_it_is():
    # To swap what is done to the image and to its reflection is to reflect the image.
    x, block = features(2, 4, 5, 7), made("mirror", 4)
    reflected = map_of(block, x.flip(3))
    with torch.no_grad():
        block.compare.weight.copy_(block.compare.weight.roll(4, 1))
    torch.testing.assert_close(map_of(block, x), reflected)
