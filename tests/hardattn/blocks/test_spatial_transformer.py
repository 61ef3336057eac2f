"""Spatial transformers: its equations, and what theory says exactly."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hardattn.maps import recorded
from tests.support.blocks import features, made, maps_of


def _transformer(c: int, parameters: int) -> int:
    half = c // 2
    return 9 * c * half + half + 16 * half * 32 + 32 + 32 * parameters + parameters


WEIGHTS: dict[str, Callable[..., int]] = {
    "spatial_transformer": lambda c: _transformer(c, 6),
    "spatial_transformer_zoom": lambda c: _transformer(c, 3),
}


def saying(name: str, channels: int, theta: list[float]) -> nn.Module:
    """A spatial transformer that says the same of every image."""
    block = made(name, channels)
    with torch.no_grad():
        block.last.bias.copy_(torch.tensor(theta))
    return block


def test_a_spatial_transformer_translates():
    x = features(2, 4, 8, 10)
    moved = torch.zeros_like(x)
    moved[:, :, 1:, :-2] = x[:, :, :-1, 2:]
    affine = saying("spatial_transformer", 4, [1, 0, 2 * 2 / 10, 0, 1, -2 * 1 / 8])
    torch.testing.assert_close(affine(x), moved)
    zoom = saying("spatial_transformer_zoom", 4, [1, 2 * 2 / 10, -2 * 1 / 8])
    torch.testing.assert_close(zoom(x), moved)


def test_a_zoom_of_one_half_shows_the_middle():
    x = features(1, 4, 8, 12)
    zoom = saying("spatial_transformer_zoom", 4, [0.5, 0, 0])
    affine = saying("spatial_transformer", 4, [0.5, 0, 0, 0, 0.5, 0])
    torch.testing.assert_close(zoom(x), affine(x))
    larger = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(zoom(x), larger[:, :, 4:12, 6:18])
    density = maps_of(zoom, x)[0].density
    assert density[:, 2:6, 3:9].sum() > 0.85 * density.sum()


@pytest.mark.parametrize(
    "name, theta",
    [
        ("spatial_transformer", [0.8, 0.3, 0.4, -0.2, 1.3, -0.1]),
        ("spatial_transformer_zoom", [0.7, 0.5, -0.2]),
    ],
)
def test_density_of_a_spatial_transformer_is_how_much_of_a_pixel_it_reads(name, theta):
    block, x = saying(name, 2, theta), features(2, 2, 7, 9).requires_grad_()
    with recorded(block) as maps:
        y = block(x)
    (reads,) = torch.autograd.grad(y[:, 0].sum(), x)
    torch.testing.assert_close(maps[0].density, reads[:, 0])
