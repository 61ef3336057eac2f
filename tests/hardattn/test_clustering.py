"""Clusters matched to classes, and what is said of both: equal to slow ones."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from hardattn import clustering
from hardattn.evaluation.evaluate import Columns
from hardattn.evaluation.metrics import compute, error
from tests.support.gat_cluster import seeded


def columns(cluster: Tensor, target: Tensor, count: int) -> Columns:
    """What the most probable clusters make, of two looks; the first is of no account."""
    noise = 0.1 * torch.rand(len(cluster), count, generator=seeded(1))
    given = F.one_hot(cluster, count) + noise
    given = torch.stack([given.flip(1), given], 1)
    nowhere = torch.zeros(len(cluster), 2, 2)
    return Columns(
        log_probability=given.log_softmax(-1),
        location=nowhere,
        hit=nowhere[..., 0].bool(),
        entropy=nowhere[..., 0],
        looks=torch.full((len(cluster),), 2),
        target=target,
        index=torch.arange(len(cluster)),
    )


@pytest.mark.parametrize("count", [2, 3, 4, 5])
@pytest.mark.parametrize("seed", range(5))
def test_matching_is_the_best_of_all_permutations(count: int, seed: int) -> None:
    target = torch.randint(count, (40,), generator=seeded(seed))
    cluster = torch.randint(count, (40,), generator=seeded(seed + 100))
    cluster = torch.where(
        torch.rand(40, generator=seeded(seed)) < 0.3, (target + 1) % count, cluster
    )
    given = columns(cluster, target, count)
    found = clustering.matched(given)
    best = max(
        (torch.tensor(order)[cluster] == target).sum()
        for order in itertools.permutations(range(count))
    )
    assert found.correct[:, -1].sum() == best
    # Whole columns changed places, those of every look alike, and nothing else did.
    assert torch.equal(found.log_probability.sort(-1)[0], given.log_probability.sort(-1)[0])
    assert found._replace(log_probability=given.log_probability) == given
    order = [
        next(j for j in range(count) if torch.equal(given.log_probability[..., j], column))
        for column in found.log_probability.unbind(-1)
    ]
    assert sorted(order) == list(range(count))
    assert clustering.nmi(found) == pytest.approx(clustering.nmi(given), abs=1e-12)
    assert clustering.ari(found) == pytest.approx(clustering.ari(given), abs=1e-12)


def test_clusters_under_other_names_are_a_perfect_classifier() -> None:
    target = torch.arange(50) % 5
    given = columns((3 * target + 2) % 5, target, 5)
    assert error(given) > 0.7
    found = clustering.matched(given)
    assert error(found) == 0 and compute(found)["nll"] < compute(given)["nll"]  # type: ignore
    assert clustering.nmi(given) == pytest.approx(1) and clustering.ari(given) == pytest.approx(1)
    # A part of a class in a cluster of its own is wrong, however pure.
    finer = columns(torch.where(torch.arange(50) % 10 == 0, 5, target), target, 6)
    assert error(clustering.matched(finer)) == pytest.approx(0.1)


def slow_nmi(table: np.ndarray) -> float:
    share = table / table.sum()
    rows, both_ways = share.sum(1), share.sum(0)
    mutual = sum(
        share[i, j] * math.log(share[i, j] / (rows[i] * both_ways[j]))
        for i, j in np.ndindex(*share.shape)
        if share[i, j]
    )
    entropies = [-sum(p * math.log(p) for p in part if p) for part in (rows, both_ways)]
    return mutual / (sum(entropies) / 2)


def slow_ari(cluster: list[int], target: list[int]) -> float:
    """By going through all pairs."""
    pairs = list(itertools.combinations(range(len(target)), 2))
    same_cluster = [cluster[i] == cluster[j] for i, j in pairs]
    same_class = [target[i] == target[j] for i, j in pairs]
    agree = sum(one and other for one, other in zip(same_cluster, same_class, strict=True))
    chance = sum(same_cluster) * sum(same_class) / len(pairs)
    return (agree - chance) / ((sum(same_cluster) + sum(same_class)) / 2 - chance)


@pytest.mark.parametrize("seed", range(4))
def test_nmi_and_ari_equal_the_slow_ones(seed: int) -> None:
    target = torch.randint(4, (30,), generator=seeded(seed))
    noise = torch.randint(4, (30,), generator=seeded(seed + 50))
    cluster = torch.where(torch.rand(30, generator=seeded(seed)) < 0.6, target, noise)
    given = columns(cluster, target, 4)
    assert clustering.nmi(given) == pytest.approx(slow_nmi(clustering.table(given).numpy()))
    assert clustering.ari(given) == pytest.approx(slow_ari(cluster.tolist(), target.tolist()))


def test_what_says_nothing_of_the_classes_is_zero() -> None:
    target = torch.arange(36) % 3
    crossed = columns(torch.arange(36) // 12, target, 3)
    assert clustering.nmi(crossed) == pytest.approx(0, abs=1e-9)
    assert clustering.ari(crossed) < 0  # of pairs in both even fewer than by chance
    one = columns(torch.zeros(36, dtype=torch.int64), target, 3)
    assert clustering.nmi(one) == clustering.ari(one) == 0
    assert error(clustering.matched(one)) == pytest.approx(2 / 3)
    # Half of it right: [0, 0, 1, 2] against [0, 0, 1, 1] is 4/7 by hand.
    known = columns(torch.tensor([0, 0, 1, 2]), torch.tensor([0, 0, 1, 1]), 3)
    assert clustering.ari(known) == pytest.approx(4 / 7)


def test_what_cannot_be_matched_is_refused() -> None:
    target = torch.arange(6)
    with pytest.raises(ValueError, match="5 clusters cannot be matched with 6 classes"):
        clustering.matched(columns(target % 5, target, 5))
    with pytest.raises(ValueError, match="sequences"):
        clustering.nmi(columns(target, target, 6)._replace(target=target[:, None]))


def test_what_is_alike_is_a_group() -> None:
    """Three blocks of similarities, shuffled, above noise."""
    which = torch.randint(3, (24,), generator=seeded(0))
    noise = 0.2 * torch.rand(24, 24, generator=seeded(1), dtype=torch.float64)
    alike = (which[:, None] == which).double() + noise + noise.T
    found = clustering.spectral(alike, 3)
    assert found.dtype == torch.int64
    assert torch.equal(found[:, None] == found, which[:, None] == which)
