"""Hourglass attention: its equations, and what theory says exactly."""

from collections.abc import Callable

import torch

from tests.support.blocks import bottleneck, features, made, maps_of

WEIGHTS: dict[str, Callable[..., int]] = {
    "hourglass": lambda c: 7 * bottleneck(c, c // 2) + 2 * c + c + 1,
}


def test_an_hourglass_gates():
    x, block = features(2, 16, 7, 9), made("hourglass", 16)
    gate = maps_of(block, x)[0].tensor
    torch.testing.assert_close(block(x), x * gate)
