"""Spatial-spectral attention: its equations, and what theory says exactly."""

from collections.abc import Callable

import torch

from tests.support.blocks import features, made, maps_of

WEIGHTS: dict[str, Callable[..., int]] = {
    "spatial_spectral": lambda c: 4 * c * max(1, c // 8) + 2 * c * c + 2 * (c * c + c),
}


def test_spatial_spectral_attention_is_separable():
    x, block = features(2, 16, 4, 5), made("spatial_spectral", 16)
    columns, rows, channels = (one.tensor[:, 0] for one in maps_of(block, x))
    all_at_once = torch.einsum("bhg,bwv,bcd,bdgv->bchw", rows, columns, channels, block.value(x))
    torch.testing.assert_close(block(x), x + block.out(all_at_once))
    query, key = block.project(x)[:, 4:6], block.project(x)[:, 6:8]
    scores = torch.zeros(2, 4, 4, dtype=torch.float64)
    for i in range(4):
        for j in range(4):
            scores[:, i, j] = (query[:, :, i] * key[:, :, j]).sum((1, 2)) / (2 * 5) ** 0.5
    torch.testing.assert_close(rows, scores.softmax(-1))
