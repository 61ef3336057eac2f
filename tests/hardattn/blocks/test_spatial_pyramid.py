"""Spatial pyramid attention: its equations, and what theory says exactly."""

from collections.abc import Callable
from itertools import product

import torch

from tests.support.blocks import features, made, maps_of

WEIGHTS: dict[str, Callable[..., int]] = {
    "spatial_pyramid": lambda c: (
        (9 * c * c + c)
        + 3 * (c * (c // 2) + 2 * (c // 2))
        + (c * (c // 2) + c // 2)
        + 3 * ((c // 2) * c + c)
        + (c * c + c)
    ),
}


def test_a_spatial_pyramid_of_one_pixel_is_attention_pooling():
    x, block = features(2, 8, 5, 4), made("spatial_pyramid", 8, windows=(1,))
    weights = maps_of(block, x)[0].tensor[:, 0]
    vector = (x.flatten(2) * weights[:, None]).sum(2)
    torch.testing.assert_close(block(x), x + block.out(vector)[:, :, None, None])


def test_windows_of_a_spatial_pyramid_leave_out_what_is_outside():
    x, block = features(1, 8, 6, 7), made("spatial_pyramid", 8)
    weights = torch.eye(42, dtype=x.dtype).view(42, 1, 6, 7).expand(-1, 3, -1, -1)
    for k, side in enumerate((3, 5, 7)):
        half = side // 2
        # Of a single window that is weighed: the share of each place in its mean.
        spread = block.spread(weights)[:, k].flatten(1)
        for number, (row, column) in enumerate(product(range(6), range(7))):
            window = x[
                0,
                :,
                max(0, row - half) : row + half + 1,
                max(0, column - half) : column + half + 1,
            ]
            torch.testing.assert_close(x[0].flatten(1) @ spread[number], window.mean((1, 2)))
