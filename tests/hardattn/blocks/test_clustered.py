"""Clustered attention: its equations, and what theory says exactly."""

from collections.abc import Callable

import pytest
import torch
from torch.nn import functional as F

from hardattn.blocks.clustered import k_means
from tests.support.self_attention import build, queries_and_keys, shares

# How many weights the equations give for C channels; 4 heads, of C / 4 channels.
WEIGHTS: dict[str, Callable[..., int]] = {
    "clustered": lambda c: 4 * c * c + 2 * c,
}


def test_k_means_is_lloyds_algorithm():
    points = queries_and_keys(places=14)[0][0, 0]
    centres = [points[number * 14 // 5] for number in range(5)]
    for _ in range(3):
        nearest = [min(range(5), key=lambda c: float((p - centres[c]).norm())) for p in points]
        for c in range(5):
            mine = [p for p, n in zip(points, nearest, strict=True) if n == c]
            centres[c] = sum(mine) / len(mine)
    nearest = [min(range(5), key=lambda c: float((p - centres[c]).norm())) for p in points]
    expected = F.one_hot(torch.tensor(nearest), 5).double()
    assert torch.equal(k_means(points[None, None], 5, 3)[0, 0], expected)
    assert not torch.equal(k_means(points[None, None], 5, 0)[0, 0], expected)


def test_a_centre_that_nobody_is_nearest_to_stays_where_it_is():
    points = torch.tensor([0.0, 0.0, 4.0, 5.0])[:, None]
    member = k_means(points, 4, 2)
    assert torch.equal(
        member, torch.tensor([[1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    )


@pytest.mark.parametrize("top", [0, 3])
def test_clustered_weights_are_those_of_the_centroid_and_in_its_top_keys_each_querys_own(top: int):
    query, key = queries_and_keys(places=12)
    block = build("clustered", clusters=4, rounds=2, top=top)
    weights, member = block.weights(query, key), k_means(query, 4, 2).argmax(-1)
    for b, h in ((0, 0), (1, 3)):
        for i in range(12):
            mine = query[b, h, member[b, h] == member[b, h, i]]
            shared = shares({j: mine.mean(0) @ key[b, h, j] / 2 for j in range(12)})
            best = sorted(shared, key=lambda j: float(shared[j]))[12 - top :]
            own = shares({j: query[b, h, i] @ key[b, h, j] / 2 for j in best}) if top else {}
            mass = sum(shared[j] for j in best)
            expected = [mass * own[j] if j in own else shared[j] for j in range(12)]
            torch.testing.assert_close(weights[b, h, i], torch.stack(expected))
