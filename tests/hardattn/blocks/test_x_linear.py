"""X-linear attention: its equations, and what theory says exactly."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from tests.support.self_attention import build, image, places, shares

# How many weights the equations give for C channels; 4 heads, of C / 4 channels.
WEIGHTS: dict[str, Callable[..., int]] = {
    "x_linear": lambda c: (
        4 * (c * c + c + 2 * c)
        + 2 * (c // 4) * (c // 8)
        + 2 * (c // 8)
        + c // 4
        + 2 * c * c
        + c
        + 2 * c
    ),
}


def test_x_linear_is_its_equations():
    block, x = build("x_linear", heads=2), image()
    pool = block.pool

    def embed(embedding: nn.Module, u: Tensor) -> Tensor:
        u = embedding.linear(u)
        u = torch.where(u > 0, u, 1.3 * (torch.exp(u / 1.3) - 1)).view(2, 8)
        u = (u - u.mean(1, keepdim=True)) / (u.var(1, keepdim=True, correction=0) + 1e-5).sqrt()
        return u.flatten() * embedding.norm.weight + embedding.norm.bias

    for one, y in zip(x, block(x), strict=True):
        mean, answer = places(one).mean(0), []
        asked, valued = embed(pool.key_query, mean), embed(pool.value_query, mean)
        for head in (slice(0, 8), slice(8, 16)):
            joint = [
                pool.joint((embed(pool.key, u) * asked)[head]).clamp_min(0) for u in places(one)
            ]
            weights = shares({i: pool.spatial(b)[0] for i, b in enumerate(joint)})
            gate = torch.sigmoid(pool.channel(sum(joint) / 12))
            values = [(embed(pool.value, u) * valued)[head] for u in places(one)]
            answer.append(gate * sum(weight * values[i] for i, weight in weights.items()))
        for u, found in zip(places(one), places(y), strict=True):
            passed = u + block.join(torch.cat([*answer, u])).clamp_min(0)
            torch.testing.assert_close(found, block.norm(passed))
