"""High-order attention: its equations, and what theory says exactly."""

from collections.abc import Callable

import pytest
import torch
from torch.nn import functional as F

from hardattn.maps import replaced
from tests.support.channel_blocks import build, close, images, tensors_of

# How many weights the equations give for C channels.
WEIGHTS: dict[str, Callable[..., int]] = {
    "high_order": lambda c: 3 * c * (c // 2) + 2 * (c // 2) + 2 * (c // 2) * c + c,
}


def test_high_order_attention_of_first_order_without_threshold_is_non_local():
    x, block = images(2, 6, 3, 2), build("high_order", 6, order=1, threshold=0)
    places = x.flatten(2)
    query, key, value = (f(x).flatten(2) for f in (block.query, block.key, block.value))
    for b in range(2):
        for i in range(6):
            scores = torch.exp(torch.stack([query[b, :, i] @ key[b, :, j] for j in range(6)]))
            heard = sum(scores[j] / scores.sum() * value[b, :, j] for j in range(6))
            out = block.out.weight[:, :, 0, 0] @ heard + block.out.bias
            close(block(x)[b].flatten(1)[:, i], places[b, :, i] + out)


@pytest.mark.parametrize("threshold", [0.5, 1.0, 2.0])
def test_high_order_attention_keeps_the_edges_that_weigh_enough(threshold: float):
    x = images(2, 16, 4, 5)
    (full,) = tensors_of(build("high_order", 16, threshold=0), x)
    (kept,) = tensors_of(build("high_order", 16, threshold=threshold), x)
    enough = full >= threshold / 20
    assert 0 < enough.double().mean() < 1
    assert (enough.sum(-1) > 0).all()
    assert torch.equal(kept > 0, enough)
    close(kept, full * enough / (full * enough).sum(-1, keepdim=True))


def test_high_order_attention_keeps_the_strongest_edge_always():
    x = images(2, 16, 4, 5)
    (full,) = tensors_of(build("high_order", 16, threshold=0), x)
    (kept,) = tensors_of(build("high_order", 16, threshold=1e6), x)
    close(kept, F.one_hot(full.argmax(-1), 20).double())


def test_orders_of_high_order_attention_are_numbers_of_steps():
    x, block = images(1, 4, 2, 3), build("high_order", 4, order=3)
    step = torch.roll(torch.eye(6, dtype=x.dtype), 1, 1)[None, None]  # place i asks place i + 1
    with replaced(block, lambda one: step):
        y = block(x)
    value = block.value(x).flatten(2)
    reached = torch.cat([torch.roll(value, -steps, 2) for steps in (1, 2, 3)], 1)
    close(y, x + block.out(reached.unflatten(2, (2, 3))))
