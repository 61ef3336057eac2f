"""Attention by asymmetric hashing: its equations, and what theory says exactly."""

from collections.abc import Callable

import torch

from hardattn.blocks.smyrf import asymmetric, equal_parts
from tests.support.self_attention import build, queries_and_keys

# How many weights the equations give for C channels; 4 heads, of C / 4 channels.
WEIGHTS: dict[str, Callable[..., int]] = {
    "smyrf": lambda c: 4 * c * c + 2 * c,
}


def test_smyrf_turns_products_into_distances():
    query, key = queries_and_keys()
    ours, theirs = asymmetric(query, key)
    most = (query.norm(dim=-1).amax(-1) ** 2 + key.norm(dim=-1).amax(-1) ** 2)[..., None, None]
    expected = 2 * most - 2 * query @ key.transpose(2, 3)
    torch.testing.assert_close(torch.cdist(ours, theirs) ** 2, expected)


def test_smyrf_clusters_are_runs_of_the_sorted_hashes_and_equal_up_to_one():
    generator = torch.Generator().manual_seed(4)
    hashed = torch.randn(3, 2, 30, generator=generator)
    for clusters in (1, 4, 7, 30):
        part = equal_parts(hashed, clusters)
        size = part.sum(-2)
        assert torch.equal(part.sum(-1), torch.ones(3, 2, 30))
        assert size.max() - size.min() <= (30 % clusters > 0)
        number = part.argmax(-1).gather(-1, hashed.argsort(-1))
        assert (number.diff() >= 0).all()


def test_smyrf_merges_its_hashings_by_their_normalisers():
    query, key = queries_and_keys(places=10)
    block = build("smyrf", clusters=3, hashes=3)
    weights = block.weights(query, key)
    ours, theirs = (points @ block.directions for points in asymmetric(query, key))
    scores = query @ key.transpose(2, 3) / 2
    for b, h in ((0, 1), (1, 2)):
        parts = []
        for n in range(3):
            rank = [each[b, h, :, n].argsort().argsort() * 3 // 10 for each in (ours, theirs)]
            together = rank[0][:, None] == rank[1]
            parts.append(scores[b, h].masked_fill(~together, -torch.inf))
        each = torch.stack(parts)
        share = each.logsumexp(-1).softmax(0)
        torch.testing.assert_close(weights[b, h], (share[..., None] * each.softmax(-1)).sum(0))
