"""Gaussian maps: the equation, and truths."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from hardattn.maps import recorded, replaced
from hardattn.stochastic.gaussian_attention import GaussianAttention
from tests.support.gat_cluster import CLUSTERS, seeded


def gaussian(c: int, k: int) -> int:
    """Two 1x1 convolutions with batch norms, three numbers from 6x6 cells, two layers."""
    return c * c + 2 * c + c * k + 2 * k + (36 * k + 1) * 3 + (c + 1) * k + (k + 1) * k


WEIGHTS: dict[str, Callable[..., int]] = {"gaussian": gaussian}


def bump(*rows: tuple[float, float, float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def weights(given: Tensor, height: int, width: int, **options: Any) -> Tensor:
    """(B, H, W)."""
    made = GaussianAttention(4, 3, **options).weights(given, height, width)
    return made[:, 0].unflatten(1, (height, width))


@pytest.mark.parametrize("height, width", [(5, 7), (6, 6), (1, 4)])
def test_the_map_is_the_gaussian_of_the_equation(height: int, width: int) -> None:
    given = bump((0.3, 0.8, 0.4), (0.9, 0.1, 0.05))
    found = weights(given, height, width, spread=0.07)
    for b, (x, y, wide) in enumerate(given.tolist()):
        slow = torch.empty(height, width, dtype=torch.float64)
        for i, j in itertools.product(range(height), range(width)):
            u = j / (width - 1), i / (height - 1) if height > 1 else 0.0
            far = (u[0] - x) ** 2 + (u[1] - y) ** 2
            slow[i, j] = math.exp(-far / (2 * 0.07 * wide + 1e-5))
        torch.testing.assert_close(found[b], slow / slow.sum())


def test_a_bump_of_no_width_is_one_cell_and_a_wide_one_is_all() -> None:
    on, between = (0.25, 0.75, 0.0), (0.3, 0.7, 0.0)  # of cells at 0, 0.25, 0.5, 0.75, 1
    for one in (on, between):
        found = weights(bump(one), 5, 5)[0]
        wanted = torch.zeros(5, 5, dtype=torch.float64)
        wanted[3, 1] = 1
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)
    wide = weights(bump((0.3, 0.7, 1e9)), 5, 7)
    torch.testing.assert_close(wide, torch.full_like(wide, 1 / 35))


def test_centre_and_width_are_three_numbers() -> None:
    """The authors' code reads the width and a coordinate from the same one."""
    given = bump((0.5, 0.5, 0.2), (0.5, 0.5, 0.9), (0.2, 0.5, 0.2), (0.5, 0.2, 0.2))
    found = weights(given, 21, 21)
    u = torch.linspace(0, 1, 21, dtype=torch.float64)
    x, y = (found.sum(1) * u).sum(1), (found.sum(2) * u).sum(1)
    spread = (found.sum(1) * u**2).sum(1) - x**2
    torch.testing.assert_close(x[:2], torch.full_like(x[:2], 0.5))
    torch.testing.assert_close(y[:3], torch.full_like(y[:3], 0.5))
    assert spread[1] > 1.5 * spread[0]
    assert x[2] < 0.3 and y[3] < 0.3
    torch.testing.assert_close(found[2], found[3].T)


def head(seed: int = 0, channels: int = 6) -> GaussianAttention:
    torch.manual_seed(seed)
    made = GaussianAttention(channels, CLUSTERS).double().eval()
    with torch.no_grad():
        made.bump.weight.mul_(5)
    return made


def test_what_is_attended_to_is_the_mean_by_the_map() -> None:
    layer, x = head(), torch.randn(3, 6, 5, 7, generator=seeded(1), dtype=torch.float64)
    with recorded(layer) as maps:
        attended, mean = layer.attend(x)
    torch.testing.assert_close(layer(x), layer.classifier(attended))
    f, density = layer.features(x), maps[0].density
    assert density is not None and density.std(0).max() > 1e-3
    for b in range(3):
        feature = torch.zeros(6, dtype=torch.float64)
        for i, j in itertools.product(range(5), range(7)):
            feature += density[b, i, j] * f[b, :, i, j]
        torch.testing.assert_close(attended[b], feature)
    assert not torch.allclose(attended, mean)
    # Where all is attended to alike, it is the mean over places.
    with replaced(layer, lambda one: torch.full_like(one.tensor, 1 / 35)):
        torch.testing.assert_close(layer.attend(x)[0], mean)
    torch.testing.assert_close(mean, f.mean((2, 3)))
