"""Multi-head self-attention: its equations, and what theory says exactly."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.blocks.multi_head import sinusoids
from tests.support.self_attention import attend, build, everything, image, places

# How many weights the equations give for C channels; 4 heads, of C / 4 channels.
WEIGHTS: dict[str, Callable[..., int]] = {
    "multi_head": lambda c: 4 * c * c + 2 * c,
}


def shuffled(block: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """What the block makes of shuffled places, and its output shuffled."""
    order = torch.randperm(x[0, 0].numel(), generator=torch.Generator().manual_seed(3))
    mixed = x.flatten(2)[:, :, order].view(x.shape)
    return block(mixed), block(x).flatten(2)[:, :, order].view(x.shape)


def test_multi_head_is_its_equation():
    block, x = build("multi_head", heads=2, positions=False), image()
    for one, y in zip(x, block(x), strict=True):
        tokens = F.layer_norm(places(one), (16,), block.norm.weight, block.norm.bias)
        query, key, value = (tokens @ matrix.T for matrix in block.project.weight.chunk(3))
        heads = [
            attend(q / 8**0.5, k, v, everything)
            for q, k, v in zip(query.split(8, 1), key.split(8, 1), value.split(8, 1), strict=True)
        ]
        torch.testing.assert_close(places(y - one), torch.cat(heads, 1) @ block.out.weight.T)


def test_only_positions_tell_places_apart():
    x = image(height=5)
    torch.testing.assert_close(*shuffled(build("multi_head", positions=False), x))
    mixed, after = shuffled(build("multi_head"), x)
    assert not torch.allclose(mixed, after, rtol=0.01, atol=0.01)


def test_positions_are_those_of_the_equation_in_two_dimensions():
    wave = sinusoids(3, 5, 16, torch.zeros((), dtype=torch.float64)).view(3, 5, 16)
    for row in range(3):
        for column in range(5):
            for i in range(4):
                rate = 10000 ** (-i / 4)
                angles = torch.tensor([row * rate, column * rate], dtype=torch.float64)
                expected = torch.stack([angles.sin(), angles.cos()], 1).flatten()
                torch.testing.assert_close(wave[row, column, i::4], expected, atol=1e-6, rtol=0)
    alike = torch.cdist(wave.flatten(0, 1), wave.flatten(0, 1)) < 0.1
    assert torch.equal(alike, torch.eye(15, dtype=torch.bool))
