"""Where it looked, on paths made by hand."""

import math

import pytest
import torch

from hardattn.evaluation import scanpath
from tests.support.handmade import looking


def test_the_same_path_for_all_is_not_diverse() -> None:
    """Exactly: distances by matrix products are off by more than some agents differ."""
    path = torch.tensor([[0.9, 0.9], [0.123, 0.456], [-0.777, 0.31]])
    fixed = looking(path.expand(40, -1, -1))
    assert scanpath.diversity(fixed) == 0.0
    assert scanpath.spread(fixed) == pytest.approx(0, abs=1e-7)


def test_diversity_against_a_slow_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    place = 2 * torch.rand(7, 4, 2, generator=generator) - 1
    looks = [1, 4, 2, 4, 3, 4, 2]
    apart = [
        math.dist(place[i, t].tolist(), place[j, t].tolist())
        for i in range(7)
        for j in range(i)
        for t in range(1, min(looks[i], looks[j]))
    ]
    found = scanpath.diversity(looking(place, looks))
    assert found == pytest.approx(sum(apart) / len(apart), rel=1e-5)


def test_diversity_has_no_meaning_without_a_pair() -> None:
    place = torch.rand(2, 3, 2, generator=torch.Generator().manual_seed(0))
    assert scanpath.diversity(looking(place[:1])) is None
    assert scanpath.diversity(looking(place, [3, 1])) is None
    assert scanpath.diversity(looking(place, [1, 1])) is None


def test_uniform_looks() -> None:
    generator = torch.Generator().manual_seed(0)
    made = looking(2 * torch.rand(3000, 6, 2, generator=generator) - 1)
    assert scanpath.diversity(made) == pytest.approx(1.043, abs=0.01)
    assert scanpath.saccade(made) == pytest.approx(1.043, abs=0.01)
    assert scanpath.centre_distance(made) == pytest.approx(0.765, abs=0.01)
    assert scanpath.spread(made) == pytest.approx(math.sqrt(1 / 3), abs=0.01)
    assert scanpath.coverage(made) == pytest.approx(1 - (1 - 1 / 64) ** 5, abs=0.002)
    before = sum(1 - (1 - 1 / 64) ** t for t in range(1, 6)) / 5
    assert scanpath.revisits(made) == pytest.approx(before, abs=0.01)


def test_saccades_are_counted_from_the_first_look_to_the_stop() -> None:
    place = torch.tensor([[[0.0, 0.0], [0.3, 0.4], [0.3, 0.4]], [[1.0, 0.0], [0.0, 0.0], [9, 9]]])
    made = looking(place, [3, 2])
    assert scanpath.saccade(made) == pytest.approx((0.5 + 0 + 1) / 3)


def test_visits_by_hand() -> None:
    """On two by two cells: the borders belong to the cell on the right, the outer ones inside."""
    rows = [
        [[-0.5, -0.5], [-0.1, -0.9], [0.0, 0.0], [1.0, 1.0]],  # back, new, back
        [[1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, 1.0]],  # new, new, new
    ]
    made = looking(torch.tensor(rows))
    assert scanpath.coverage(made, 2) == pytest.approx((2 / 4 + 3 / 4) / 2)
    assert scanpath.revisits(made, 2) == pytest.approx(2 / 6)
    stopped = looking(torch.tensor(rows), [2, 1])
    assert scanpath.coverage(stopped, 2) == pytest.approx((1 / 4 + 0) / 2)
    assert scanpath.revisits(stopped, 2) == 1.0


def test_one_look_is_no_path() -> None:
    made = looking(torch.zeros(3, 1, 2))
    for metric in (
        scanpath.hit,
        scanpath.spread,
        scanpath.diversity,
        scanpath.entropy,
        scanpath.saccade,
        scanpath.coverage,
        scanpath.revisits,
        scanpath.centre_distance,
    ):
        assert metric(made) is None
        assert metric(looking(torch.full((3, 2, 2), math.nan))) is None
