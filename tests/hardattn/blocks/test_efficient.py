"""Efficient attention: its equations, and what theory says exactly."""

from collections.abc import Callable

import torch

from hardattn.maps import recorded
from tests.support.self_attention import build, image, places, pointwise

# How many weights the equations give for C channels.
WEIGHTS: dict[str, Callable[..., int]] = {
    "efficient": lambda c: 4 * c * (c // 2) + c,
}


def test_efficient_attention_is_a_distribution_over_places_that_is_never_written_out():
    block, x = build("efficient"), image()
    with recorded(block) as maps:
        y = block(x)
    taken, pooled = maps[0].tensor.flatten(2), maps[1].tensor
    weights = taken.transpose(1, 2) @ pooled
    torch.testing.assert_close(weights.sum(2), torch.ones(2, 12, dtype=torch.float64))
    for one, row, found in zip(x, weights, y, strict=True):
        q, k = pointwise(block.query, one), pointwise(block.key, one)
        for i in range(12):
            for j in range(12):
                by = sum(
                    torch.exp(q[i, c]) / torch.exp(q[i]).sum() * torch.exp(k[j, c]) / total
                    for c, total in enumerate(torch.exp(k).sum(0))
                )
                torch.testing.assert_close(row[i, j], by)
        given = row @ pointwise(block.value, one)
        expected = given @ block.out.weight[:, :, 0, 0].T + block.out.bias
        torch.testing.assert_close(places(found - one), expected)
