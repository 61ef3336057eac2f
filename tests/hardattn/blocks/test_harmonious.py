"""Harmonious attention: its equations, and what theory says exactly."""

from collections.abc import Callable

import torch

from tests.support.channel_blocks import build, close, images, tensors_of

# How many weights the equations give for C channels.
WEIGHTS: dict[str, Callable[..., int]] = {
    "harmonious": lambda c: (
        (9 + 2 + 1 + 2) + 2 * c * max(8, c // 16) + 2 * (max(8, c // 16) + c) + c * c + 2 * c
    ),
}


def test_the_gate_of_harmonious_attention_is_a_product_that_is_mixed():
    x, block = images(2, 16, 7, 9), build("harmonious", 16).train()
    for _ in range(30):
        block(x)  # until the norms know what comes: before that, rectifiers may all be shut
    (gate,) = tensors_of(block.eval(), x)
    assert (gate >= 0.5).all() and (gate < 1).all(), "a rectifier comes before the sigmoid"
    close(block(x), x * gate)
    with torch.no_grad():
        conv, norm, _ = block.mix
        conv.weight.copy_(torch.eye(16)[:, :, None, None])
        norm.reset_parameters()
    (gate,) = tensors_of(block, x)
    sizes = torch.linalg.svdvals(gate.logit().flatten(2))
    assert (sizes[:, 0] > 1e-2).all()
    assert (sizes[:, 1] < 1e-9).all(), "a map of places times a vector of channels has rank one"
