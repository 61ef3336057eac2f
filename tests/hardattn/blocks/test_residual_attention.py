"""Residual attention: its equations, and what theory says exactly."""

from collections.abc import Callable

import torch

from hardattn.maps import replaced
from tests.support.blocks import bottleneck, features, made

WEIGHTS: dict[str, Callable[..., int]] = {
    "residual_attention": lambda c: 7 * bottleneck(c, c // 4) + 2 * (2 * c + c * c) + c,
}


def test_residual_attention_adds_its_mask_to_one():
    x, block = features(2, 16, 7, 9), made("residual_attention", 16)
    with replaced(block, lambda one: torch.zeros_like(one.tensor)):
        torch.testing.assert_close(block(x), block.trunk(x))
    with replaced(block, lambda one: torch.ones_like(one.tensor)):
        torch.testing.assert_close(block(x), 2 * block.trunk(x))
