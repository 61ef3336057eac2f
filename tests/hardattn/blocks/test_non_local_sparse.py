"""Sparse non-local attention: its equations, and what theory says exactly."""

from collections.abc import Callable

import pytest
import torch

from tests.support.self_attention import build, image, places

# How many weights the equations give for C channels.
WEIGHTS: dict[str, Callable[..., int]] = {
    "non_local_sparse": lambda c: 9 * c * (c // 4) + c // 4 + c * c + c,
}


@pytest.mark.parametrize("size, chunk", [((4, 5), 4), ((5, 5), 4), ((4, 5), 7), ((4, 5), 99)])
def test_sparse_non_local_attends_to_its_chunk_and_the_next_in_each_hashing(
    size: tuple[int, int], chunk: int
):
    block, x = build("non_local_sparse", chunk=chunk, hashes=3, scale=0.7), image(16, *size)
    count = size[0] * size[1]
    chunks = max(1, count // chunk)
    for one, u, v, y in zip(x, block.match(x), block.value(x), block(x), strict=True):
        u, v = places(u), places(v)
        scores = u @ (u / u.norm(dim=1, keepdim=True)).T
        parts = []
        for direction in block.directions:
            bucket = torch.cat([u @ direction, -u @ direction], 1).argmax(1).tolist()
            order = sorted(range(count), key=lambda i: (bucket[i], i))
            mine = {i: rank * chunks // count for rank, i in enumerate(order)}
            near = [
                [(mine[i] - mine[j] + 1) % chunks <= 2 for j in range(count)] for i in range(count)
            ]
            parts.append(scores.masked_fill(~torch.tensor(near), -torch.inf))
        each = torch.stack(parts)
        share = each.logsumexp(-1).softmax(0)
        weights = (share[..., None] * each.softmax(-1)).sum(0)
        assert (weights == 0).any() == (chunks > 3)
        torch.testing.assert_close(places(y - one), 0.7 * weights @ v)
