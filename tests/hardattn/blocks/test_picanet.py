"""Pixel-wise contextual attention: its equations, and what theory says exactly."""

from collections.abc import Callable

import torch
from torch.nn import functional as F

from hardattn.blocks.picanet import evenly
from tests.support.blocks import features, made, maps_of


def _lstm(inputs: int, hidden: int) -> int:
    """Both ways: four gates, each with two biases."""
    return 2 * 4 * (hidden * (inputs + hidden) + 2 * hidden)


WEIGHTS: dict[str, Callable[..., int]] = {
    "picanet_global": lambda c: (
        _lstm(c, c // 4) + _lstm(c // 2, c // 4) + 100 * (c // 2) + 100 + 2 * c * c + 2 * c
    ),
    "picanet_local": lambda c: (
        49 * c * max(8, c // 4) + 49 * max(8, c // 4) + 49 + 2 * c * c + 2 * c
    ),
}


def test_picanet_against_a_loop():
    x, block = features(1, 16, 4, 5), made("picanet_local", 16, window=3, dilation=2)
    weights = maps_of(block, x)[0].tensor[0]
    logits = block.weigh(block.context(x))[0]
    attended = torch.zeros_like(x)
    for row in range(4):
        for column in range(5):
            share = torch.softmax(logits[:, row, column], 0)
            torch.testing.assert_close(weights[row, column], share)
            for k in range(9):
                there = row + 2 * (k // 3 - 1), column + 2 * (k % 3 - 1)
                if 0 <= there[0] < 4 and 0 <= there[1] < 5:
                    attended[0, :, row, column] += share[k] * x[0, :, there[0], there[1]]
    torch.testing.assert_close(block(x), block.fuse(x, attended))


def test_global_picanet_against_a_loop():
    x, block = features(1, 8, 6, 4), made("picanet_global", 8, context=3)
    swept = torch.stack([block.along_rows(x[:, :, r].mT)[0] for r in range(6)], 1)
    swept = torch.stack([block.along_columns(swept[:, :, c])[0] for c in range(4)], 2)
    logits = block.weigh(swept.permute(0, 3, 1, 2))[0]
    context = F.interpolate(x, (3, 3), mode="bilinear", align_corners=True)[0].flatten(1)
    attended = torch.zeros_like(x)
    for row in range(6):
        for column in range(4):
            attended[0, :, row, column] = context @ torch.softmax(logits[:, row, column], 0)
    torch.testing.assert_close(block(x), block.fuse(x, attended))


def test_global_picanet_reads_every_third_pixel_of_28():
    picked = torch.zeros(10, 28)
    picked[torch.arange(10), 3 * torch.arange(10)] = 1
    torch.testing.assert_close(evenly(28, 10, picked), picked)
