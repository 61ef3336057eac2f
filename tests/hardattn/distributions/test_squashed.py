"""tanh of normal numbers: densities, moments and entropy against quadrature, and its gradients."""

import math

import pytest
import torch
from torch import Tensor

from hardattn.distributions.squashed import Squashed, slope


def numbers(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some(std: float) -> Squashed:
    mean = torch.tensor([[0.3], [-1.1], [0.0]], dtype=torch.float64)
    return Squashed(mean, torch.full_like(mean, std))


def line(std: float) -> tuple[Tensor, Tensor]:
    """(n, 3, 1) values of tanh, finely spaced before it, and how far apart they are."""
    u = torch.linspace(-1.1 - 9 * std, 0.3 + 9 * std, 20_001, dtype=torch.float64)
    u = u[:, None, None].expand(-1, 3, 1)
    return torch.tanh(u), (u[1] - u[0])[0] * slope(u)[..., 0].exp()


@pytest.mark.parametrize("std", [0.05, 0.4])
def test_the_density_is_one_in_all_and_gives_moments(std: float) -> None:
    places = some(std)
    value, apart = line(std)
    density = places.log_prob(value).exp() * apart
    assert torch.allclose(density.sum(0), torch.ones(3, dtype=torch.float64), atol=1e-6)
    mean = (density * value[..., 0]).sum(0)
    assert torch.allclose(places.mean[:, 0], mean, atol=1e-6)
    entropy = -(density * places.log_prob(value)).sum(0)
    assert torch.allclose(places.entropy(), entropy, atol=1e-5)


def test_a_draw_has_the_density_of_what_was_drawn() -> None:
    places = some(0.4)
    value, log_prob = places.drawn(numbers())
    assert torch.equal(value, places.draw(numbers())) and value.abs().max() < 1
    assert torch.allclose(log_prob, places.log_prob(value))
    assert torch.equal(places.mode, torch.tanh(places.before.mean))


def test_where_tanh_is_rounded_to_one_the_density_of_the_draw_is_finite() -> None:
    places = Squashed(torch.full((2, 3), 12.0), torch.full((2, 3), 0.1))
    value, log_prob = places.drawn(numbers())
    assert (value == 1).all() and log_prob.isfinite().all()
    assert places.log_prob(value).isfinite().all()
    u = torch.tensor(12.0)
    assert slope(u) == pytest.approx(math.log(4) - 24, abs=1e-4)


def test_a_pathwise_gradient_of_the_entropy_is_that_of_quadrature() -> None:
    """-E log p, by draws and by `entropy`: of mean and spread."""
    mean = torch.tensor([[0.3]], dtype=torch.float64, requires_grad=True)
    std = torch.tensor([[0.5]], dtype=torch.float64, requires_grad=True)
    exact = torch.autograd.grad(Squashed(mean, std).entropy().sum(), (mean, std))
    many = Squashed(mean.expand(400_000, 1), std.expand(400_000, 1))
    found = torch.autograd.grad(-many.drawn(numbers())[1].mean(), (mean, std))
    for one, other in zip(found, exact, strict=True):
        assert torch.allclose(one, other, atol=6e-3)
