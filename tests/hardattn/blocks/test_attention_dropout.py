"""Attention-based dropout: its equations, and what theory says exactly."""

from collections.abc import Callable

import pytest
import torch

from hardattn.attention import BLOCKS
from tests.support.blocks import features, made, map_of

WEIGHTS: dict[str, Callable[..., int]] = {
    "attention_dropout": lambda c: 0,
}


def test_attention_dropout_tosses_its_coin():
    block, x = made("attention_dropout", 2, rate=0.75).train(), features(1, 2, 3, 3)
    torch.manual_seed(0)
    dropped = sum(map_of(block, x).unique().numel() == 2 for _ in range(2000))
    assert abs(dropped / 2000 - 0.75) < 4 * (0.75 * 0.25 / 2000) ** 0.5


def test_attention_dropout_drops_each_image_above_its_own_threshold():
    x = torch.tensor([[1.0, 7.9, 8.1, 10.0], [0.1, 0.9, 0.5, 1.0]], dtype=torch.float64)
    x = x.view(2, 1, 2, 2).expand(-1, 3, -1, -1)
    block = made("attention_dropout", 3, rate=1.0, threshold=0.8).train()
    kept = torch.tensor([[1, 1, 0, 0], [1, 0, 1, 0]]).double()
    torch.testing.assert_close(map_of(block, x).flatten(1), kept)
    torch.testing.assert_close(block(x), x * kept.view(2, 1, 2, 2))
    block = made("attention_dropout", 3, rate=0.0).train()
    torch.testing.assert_close(block(x), x * torch.sigmoid(x))


def test_attention_dropout_does_not_drop_an_image_that_is_negative_everywhere():
    block, x = made("attention_dropout", 2, rate=1.0).train(), -features(1, 2, 3, 3).abs()
    x[0, 0, 1, 1] = 0.1
    assert map_of(block, x).sum() == 8


def test_attention_dropout_refuses_what_is_no_share():
    with pytest.raises(ValueError, match="rate and threshold"):
        BLOCKS["attention_dropout"].make(16, rate=1.5)
