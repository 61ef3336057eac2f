"""Coordinate attention: its equations, and what theory says exactly."""

from collections.abc import Callable
from math import sqrt

import torch

from tests.support.channel_blocks import build, close, images, tensors_of

# How many weights the equations give for C channels.
WEIGHTS: dict[str, Callable[..., int]] = {
    "coordinate": lambda c: 8 * c + 2 * 8 + 2 * (8 * c + c),
}


def test_the_gate_of_coordinate_attention_has_rank_one():
    x, block = images(2, 16, 7, 9), build("coordinate", 16)
    (gate,) = tensors_of(block, x)
    sizes = torch.linalg.svdvals(gate)
    assert (sizes[..., 1] < 1e-9 * sizes[..., 0]).all()
    assert (gate.std(2) > 1e-4).all() and (gate.std(3) > 1e-4).all(), "it varies along both axes"
    (other,) = tensors_of(build("cbam_spatial", 16), x)
    sizes = torch.linalg.svdvals(other)
    assert (sizes[..., 1] > 1e-3 * sizes[..., 0]).all(), "a gate of places has not, as a rule"


def test_coordinate_attention_is_its_equation():
    x, block = images(1, 16, 3, 4), build("coordinate", 16)
    (gate,) = tensors_of(block, x)
    conv, norm, _ = block.shared
    scale = norm.weight / sqrt(1 + norm.eps)
    for h in range(3):
        for w in range(4):
            logits = []
            for mean, out in (
                (x[0, :, h].mean(1), block.rows),
                (x[0, :, :, w].mean(1), block.columns),
            ):
                middle = conv.weight[:, :, 0] @ mean * scale + norm.bias
                swish = middle * (middle + 3).clamp(0, 6) / 6
                logits.append(out.weight[:, :, 0] @ swish + out.bias)
            close(gate[0, :, h, w], torch.sigmoid(logits[0]) * torch.sigmoid(logits[1]))
    close(block(x), x * gate)
