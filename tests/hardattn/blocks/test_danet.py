"""Dual attention: its equations, and what theory says exactly."""

from collections.abc import Callable
from math import log

import pytest
import torch

from hardattn.attention import BLOCKS
from tests.support.channel_blocks import build, close, images, tensors_of

# How many weights the equations give for C channels.
WEIGHTS: dict[str, Callable[..., int]] = {
    "danet_position": lambda c: 2 * (c * (c // 8) + c // 8) + c * c + c + 1,
    "danet_channel": lambda c: 1,
    "danet": lambda c: 2 * (c * (c // 8) + c // 8) + c * c + c + 1 + 1,
}


def test_danet_position_is_its_equation():
    x, block = images(2, 16, 3, 4), build("danet_position", 16)
    with torch.no_grad():
        block.gamma.fill_(0.7)
    places = x.flatten(2)

    def project(conv: torch.nn.Module, column: torch.Tensor) -> torch.Tensor:
        return conv.weight[:, :, 0, 0] @ column + conv.bias

    y = block(x).flatten(2)
    for b in range(2):
        for i in range(12):
            query = project(block.query, places[b, :, i])
            scores = [query @ project(block.key, places[b, :, j]) for j in range(12)]
            weight = torch.stack(scores).softmax(0)
            values = [project(block.value, places[b, :, j]) for j in range(12)]
            attended = sum(w * v for w, v in zip(weight, values, strict=True))
            torch.testing.assert_close(y[b, :, i], places[b, :, i] + 0.7 * attended)


@pytest.mark.parametrize("scale, factor", [(None, 6**-0.5), (1.0, 1.0)])  # of 2 x 3 places
@pytest.mark.parametrize("sign, direction", [("paper", 1.0), ("released", -1.0)])
def test_channel_attention_of_danet_is_its_equation(
    sign: str, direction: float, scale: float | None, factor: float
):
    x, block = images(2, 4, 2, 3) / 2, build("danet_channel", 4, sign=sign, scale=scale)
    (weights,) = tensors_of(block, x)
    y = block(x)
    for b in range(2):
        for c in range(4):
            products = torch.stack([(x[b, c] * x[b, d]).sum() for d in range(4)])
            scores = direction * factor * products
            share = torch.exp(scores) / torch.exp(scores).sum()
            close(weights[b, 0, c], share)
            close(y[b, c], x[b, c] + block.beta * sum(share[d] * x[b, d] for d in range(4)))


def test_the_sign_of_the_paper_attends_to_itself_and_the_released_one_to_what_differs():
    x = images(3, 16, 12, 12)
    (alike,) = tensors_of(build("danet_channel", 16, sign="paper", scale=1.0), x)
    (differing,) = tensors_of(build("danet_channel", 16, sign="released"), x)
    close(alike, torch.eye(16, dtype=x.dtype).expand_as(alike))
    product = x.flatten(2) @ x.flatten(2).transpose(1, 2)
    assert torch.equal(differing[:, 0].argmax(2), product.argmin(2))
    with pytest.raises(ValueError, match="paper, released"):
        BLOCKS["danet_channel"].make(16, sign="+")


def test_energies_of_channels_do_not_grow_with_the_number_of_places():
    x = {size: images(8, 32, size, size) for size in (8, 24)}

    def entropy(size: int, **options: object) -> float:
        (weights,) = tensors_of(build("danet_channel", 32, **options), x[size])
        return float(torch.special.entr(weights).sum(-1).mean()) / log(32)

    assert abs(entropy(8) - entropy(24)) < 0.01
    assert 0.7 < entropy(24) < 0.95
    assert entropy(24, scale=1.0) < entropy(8, scale=1.0) < 0.2, "one channel is chosen"


def test_danet_adds_what_both_add():
    x, block = images(2, 16, 4, 5), build("danet", 16)
    close(block(x) - x, (block.position(x) - x) + (block.channel(x) - x))
