"""Non-local blocks, and that of SAGAN: their equations, and what theory says exactly."""

from collections.abc import Callable

import pytest
import torch

from tests.support.self_attention import attend, build, everything, image, places, pointwise

# How many weights the equations give for C channels.
WEIGHTS: dict[str, Callable[..., int]] = {
    "non_local": lambda c: 4 * c * (c // 2) + 2 * c,
    "sagan": lambda c: 2 * (c * (c // 8) + c // 8) + c * c + c + 1,
}


@pytest.mark.parametrize("name", ["non_local", "sagan"])
def test_dense_attention_is_its_equation(name: str):
    block, x = build(name), image()
    for one, y in zip(x, block(x), strict=True):
        if name == "sagan":
            q, k, v = (pointwise(f, one) for f in (block.query, block.key, block.value))
            expected = block.gamma * attend(q, k, v, everything)
        else:
            q, k, v = (pointwise(f, one) for f in (block.theta, block.phi, block.g))
            given = attend(q, k, v, everything) @ block.out.weight[:, :, 0, 0].T
            expected = given / (1 + 1e-5) ** 0.5 * block.norm.weight + block.norm.bias
        torch.testing.assert_close(places(y - one), expected)
