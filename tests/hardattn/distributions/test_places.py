import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import (
    Beta,
    Independent,
    Normal,
    kl_divergence,
)

from hardattn.distributions import (
    Categorical,
    Delta,
    Dirichlet,
    Gaussian,
    LocationDistribution,
    Stop,
    Uniform,
)
from hardattn.rollout import greedy, pathwise, sample


def numbers(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normals(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=numbers(seed), dtype=dtype)


GRID = torch.cartesian_prod(torch.linspace(-1, 1, 4), torch.linspace(-1, 1, 3))

# Each row: a batch of 5 of a class, and its event shape.
EVERY = {
    "gaussian": (lambda: Gaussian(normals(5, 2), 0.3), (2,)),
    "gaussian, a std each": (lambda: Gaussian(normals(5, 3), normals(5, 3, seed=1).exp()), (3,)),
    "gaussian, a std for all": (lambda: Gaussian(normals(5, 2), torch.tensor([0.1, 2.0])), (2,)),
    "gaussian, float64": (lambda: Gaussian(normals(5, 2, dtype=torch.float64), 1), (2,)),
    "cells": (lambda: Categorical(normals(5, 12), GRID), (2,)),
    "cells of masks": (lambda: Categorical(normals(5, 7), torch.eye(7)), (7,)),
    "weights": (lambda: Dirichlet(1 + normals(5, 7).exp()), (7,)),
    "weights, nearly all on one": (lambda: Dirichlet(0.01 * normals(5, 7).exp()), (7,)),
    "somewhere": (lambda: Uniform(normals(5, 9)), (2,)),
    "somewhere in 3": (lambda: Uniform(normals(5, 9), 3), (3,)),
    "fixed": (lambda: Delta(normals(5, 2)), (2,)),
    "stop": (lambda: Stop(normals(5)), ()),
}


@pytest.mark.parametrize("name", EVERY)
def test_every_distribution(name):
    """Shapes, and draws that are a function of the generator and touch no other."""
    make, event = EVERY[name]
    places = make()
    assert isinstance(places, LocationDistribution)
    assert places.batch_shape == (5,)
    assert places.event_shape == event
    state = torch.get_rng_state()
    generator = numbers(3)
    first, second = places.draw(generator), places.draw(generator)
    assert torch.equal(torch.get_rng_state(), state)
    assert first.shape == (5, *event)
    assert torch.equal(make().draw(numbers(3)), first)
    if name != "fixed":
        assert not torch.equal(first, second)
    for value in (places.log_prob(first), places.entropy()):
        assert value.shape == (5,)
        assert value.dtype == first.dtype
        assert value.isfinite().all()


@pytest.mark.parametrize("name", EVERY)
def test_every_distribution_can_be_looked_at_greedily(name):
    places = EVERY[name][0]()
    value, told = greedy(places, numbers(0))
    assert value.shape == (5, *EVERY[name][1]) and told is None
    log_prob = places.log_prob(value)
    if name.startswith("somewhere"):
        assert torch.equal(value, places.draw(numbers(0)))  # it has no most probable place
    else:
        assert torch.equal(value, places.mode)
        others = torch.stack([places.log_prob(places.draw(numbers(s))) for s in range(20)])
        assert (log_prob >= others - 1e-6).all()


def test_draws_do_not_depend_on_strides():
    """A transposed tensor holds the same numbers; noise must not follow its memory."""
    values = normals(4, 3)
    turned = values.T.contiguous().T
    assert turned.stride() != values.stride()
    for make in (
        lambda x: Gaussian(x, 1.0),
        lambda x: Categorical(x, torch.eye(3)),
        lambda x: Dirichlet(x.exp()),
        Stop,
    ):
        assert torch.equal(make(values).draw(numbers(0)), make(turned).draw(numbers(0)))


def test_gaussian_against_closed_forms():
    mean, std, value = normals(6, 2), normals(6, 2, seed=1).exp(), normals(6, 2, seed=2)
    places = Gaussian(mean, std)
    terms = -((value - mean) ** 2) / (2 * std**2) - std.log() - 0.5 * math.log(2 * math.pi)
    assert torch.allclose(places.log_prob(value), terms.sum(-1), atol=1e-5)
    heat = (0.5 * math.log(2 * math.pi * math.e) + std.log()).sum(-1)
    assert torch.allclose(places.entropy(), heat, atol=1e-5)
    assert torch.equal(places.mean, mean)
    assert torch.equal(places.mode, mean)
    same = Independent(Normal(mean, std), 1)
    assert torch.equal(places.log_prob(value), same.log_prob(value))
    other = Gaussian(value, 0.7)
    gap = (0.7 / std).log() + (std**2 + (mean - value) ** 2) / (2 * 0.7**2) - 0.5
    assert torch.allclose(kl_divergence(places, other), gap.sum(-1), rtol=1e-4)


def test_gaussian_noise_is_standard_normal():
    noise = (Gaussian(torch.full((20_000, 2), 3.0), 0.5).draw(numbers(0)) - 3) / 0.5
    assert noise.mean().abs() < 4 / math.sqrt(noise.numel())
    assert (noise.var() - 1).abs() < 4 * math.sqrt(2 / noise.numel())


def test_gaussian_draw_is_pathwise():
    mean = normals(5, 2).requires_grad_()
    std = torch.full((5, 2), 0.3, requires_grad=True)
    value, log_prob = pathwise(Gaussian(mean, std), numbers(0))
    by_mean, by_std = torch.autograd.grad(value.sum(), (mean, std))
    assert torch.equal(by_mean, torch.ones(5, 2))
    assert torch.allclose(by_std, (value - mean).detach() / 0.3, atol=1e-5)
    assert torch.equal(log_prob, torch.zeros(5))


def test_a_score_wants_a_detached_value():
    """The trap: of a draw that still hangs on the mean, the log-density has no gradient in it."""
    mean = normals(5, 2).requires_grad_()
    places = Gaussian(mean, 0.3)
    value, _ = sample(places, numbers(0))
    log_prob = places.log_prob(value)
    assert not value.requires_grad
    (score,) = torch.autograd.grad(log_prob.sum(), mean)
    assert torch.allclose(score, (value - mean).detach() / 0.3**2, rtol=1e-4)
    attached = places.draw(numbers(0))
    assert torch.equal(attached.detach(), value)
    (nothing,) = torch.autograd.grad(places.log_prob(attached).sum(), mean)
    assert torch.equal(nothing, torch.zeros(5, 2))


def test_cells_against_closed_forms():
    logits = normals(6, 12).requires_grad_()
    cells = Categorical(logits, GRID)
    chance = logits.softmax(-1)
    value, _ = sample(cells, numbers(0))
    log_prob = cells.log_prob(value)
    drawn = torch.tensor([GRID.tolist().index(place) for place in value.tolist()])
    assert torch.equal(log_prob, torch.distributions.Categorical(logits=logits).log_prob(drawn))
    assert torch.allclose(log_prob, chance[torch.arange(6), drawn].log(), atol=1e-6)
    assert torch.allclose(cells.entropy(), -(chance * chance.log()).sum(-1), atol=1e-6)
    assert torch.allclose(cells.mean, (chance[..., None] * GRID).sum(1), atol=1e-6)
    assert torch.equal(cells.mode, GRID[logits.argmax(-1)])
    (score,) = torch.autograd.grad(log_prob.sum(), logits)
    hot = torch.nn.functional.one_hot(drawn, 12).float()
    assert torch.allclose(score, hot - chance, atol=1e-6)
    assert not cells.draw(numbers(0)).requires_grad


def test_cells_log_prob_of_each_centre():
    cells = Categorical(normals(3, 12), GRID)
    for number, centre in enumerate(GRID):
        wanted = cells.choice.logits[:, number]
        assert torch.equal(cells.log_prob(centre.expand(3, 2)), wanted)
        assert torch.equal(cells.log_prob(centre.expand(3, 2) + 0.1), wanted)


def test_cells_close_together_are_told_apart():
    """torch.cdist rounds by 1e-3 or so once 25 points meet 25, unless it is forbidden to."""
    centres = 0.9 + torch.linspace(-1e-3, 1e-3, 40)[:, None].expand(40, 2)
    cells = Categorical(normals(100, 40), centres)
    value = cells.draw(numbers(0))
    drawn = (value[:, None] == centres).all(-1).int().argmax(-1)
    assert torch.equal(cells.log_prob(value), cells.choice.log_prob(drawn))


def test_cells_ruled_out_are_never_drawn():
    logits = torch.zeros(2000, 4)
    logits[:, 1] = -math.inf
    value = Categorical(logits, torch.arange(4.0)[:, None]).draw(numbers(0))
    assert set(value.flatten().tolist()) == {0, 2, 3}


def test_cells_take_a_time_axis():
    logits = normals(3, 5, 12)
    cells = Categorical(logits, GRID)
    value = cells.draw(numbers(0))
    assert value.shape == (3, 5, 2)
    for t in range(3):
        assert torch.equal(
            cells.log_prob(value)[t], Categorical(logits[t], GRID).log_prob(value[t])
        )


def z_scores(observed: Tensor, chance: Tensor, count: int) -> Tensor:
    return (observed - chance).abs() / (chance * (1 - chance) / count).sqrt()


def test_cells_are_drawn_as_often_as_they_should():
    count, logits = 40_000, torch.tensor([0.0, 1.0, -2.0, 0.5, -1.0])
    value = Categorical(logits.expand(count, 5), torch.arange(5.0)[:, None]).draw(numbers(0))
    observed = torch.bincount(value[:, 0].long(), minlength=5) / count
    assert (z_scores(observed, logits.softmax(0), count) < 4).all()


def test_stop_is_drawn_as_often_as_it_should():
    count, logits = 40_000, torch.tensor([-3.0, -0.5, 0.0, 2.0])
    observed = Stop(logits.expand(count, 4)).draw(numbers(0)).mean(0)
    assert (z_scores(observed, logits.sigmoid(), count) < 4).all()
    sure = Stop(torch.tensor([-math.inf, math.inf])).draw(numbers(0))
    assert sure.tolist() == [0, 1]


def test_stop_against_closed_forms():
    logits = normals(200).requires_grad_()
    stop = Stop(logits)
    chance = logits.sigmoid()
    value, _ = sample(stop, numbers(0))
    log_prob = stop.log_prob(value)
    assert set(value.tolist()) == {0, 1}
    wanted = (value * chance + (1 - value) * (1 - chance)).log()
    assert torch.allclose(log_prob, wanted, atol=1e-6)
    (score,) = torch.autograd.grad(log_prob.sum(), logits)
    assert torch.allclose(score, value - chance, atol=1e-6)
    heat = torch.distributions.Bernoulli(logits=logits).entropy()
    assert torch.allclose(stop.entropy(), heat, atol=1e-6)
    assert torch.equal(stop.mode, (chance > 0.5).float())


def test_stop_stays_finite_when_sure():
    stop = Stop(torch.tensor([-200.0, 200.0]))
    assert torch.allclose(stop.entropy(), torch.zeros(2))
    assert torch.allclose(stop.log_prob(stop.mode), torch.zeros(2))
    assert torch.allclose(stop.log_prob(1 - stop.mode), torch.full((2,), -200.0))


def test_somewhere_is_uniform():
    places = Uniform(torch.zeros(20_000, 1), 2)
    value = places.draw(numbers(0))
    assert value.min() >= -1
    assert value.max() <= 1
    assert value.mean().abs() < 4 * math.sqrt(1 / 3 / value.numel())
    counts = torch.histc(value, 10, -1, 1) / value.numel()
    assert (z_scores(counts, torch.tensor(0.1), value.numel()) < 4).all()
    assert torch.allclose(places.log_prob(value), torch.tensor(-2 * math.log(2)))
    assert torch.allclose(places.entropy(), torch.tensor(2 * math.log(2)))


def test_fixed_is_where_it_is():
    place = normals(5, 2).requires_grad_()
    fixed = Delta(place)
    for value in (fixed.draw(numbers(0)), fixed.mode, fixed.mean):
        assert value is place
    value, _ = sample(fixed, numbers(0))
    assert torch.equal(value, place)
    assert not value.requires_grad
    assert torch.equal(fixed.log_prob(value), torch.zeros(5))
    assert torch.equal(fixed.entropy(), torch.zeros(5))


# Weights over cells. Concentrations that are large, small, and of both kinds.
CONCENTRATIONS = {
    "large": [30.0, 10.0, 5.0],
    "one": [1.0, 1.0, 1.0],
    "small": [0.3, 0.5, 0.1],
    "tiny": [0.02, 0.03],
    "mixed": [8.0, 0.05, 0.4, 1.5],
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", CONCENTRATIONS)
def test_weights_have_the_moments_of_a_dirichlet(name: str, dtype: torch.dtype) -> None:
    count, a = 100_000, torch.tensor(CONCENTRATIONS[name], dtype=dtype)
    value = Dirichlet(a.expand(count, -1)).draw(numbers(0))
    assert value.dtype == dtype and value.min() >= 0
    assert torch.allclose(value.sum(-1), torch.ones(count, dtype=dtype), atol=1e-5)
    a, total, value = a.double(), a.double().sum(), value.double()
    assert torch.allclose(Dirichlet(a).mean, a / total)
    second = a[:, None] * (a + torch.eye(len(a))) / (total * (total + 1))
    for found, wanted in (
        (value, a / total),
        ((value[:, :, None] * value[:, None]).flatten(1), second.flatten()),
    ):
        z = (found.mean(0) - wanted) / (found.std(0) / count**0.5)
        assert z.abs().max() < 4


def slope(draw: Callable[[Tensor, torch.Generator], Tensor], a: list[float], dtype: Any) -> float:
    """How many standard errors the pathwise gradient of E[w_0^2] is off, at most."""
    count = 100_000
    exact = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    square = exact[0] * (exact[0] + 1) / (exact.sum() * (exact.sum() + 1))
    (wanted,) = torch.autograd.grad(square, exact)
    many = torch.tensor(a, dtype=dtype).repeat(count, 1).requires_grad_()
    (found,) = torch.autograd.grad(draw(many, numbers(1))[:, 0].square().sum(), many)
    found = found.double()
    return ((found.mean(0) - wanted) / (found.std(0) / count**0.5)).abs().max().item()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", CONCENTRATIONS)
def test_weights_have_a_pathwise_gradient(name: str, dtype: torch.dtype) -> None:
    a = CONCENTRATIONS[name]
    assert slope(lambda many, g: pathwise(Dirichlet(many), g)[0], a, dtype) < 4


def test_weights_of_two_cells_against_quadrature() -> None:
    """A function that is no polynomial, integrated against the density of Beta."""
    a = torch.tensor([2.5, 1.7], dtype=torch.float64, requires_grad=True)
    x = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    integral = (Beta(a[0], a[1]).log_prob(x).exp() * torch.sin(5 * x)).mean()
    (wanted,) = torch.autograd.grad(integral, a)
    many = a.detach().repeat(100_000, 1).requires_grad_()
    value = Dirichlet(many).draw(numbers(2))
    (found,) = torch.autograd.grad(torch.sin(5 * value[:, 0]).sum(), many)
    z = (found.mean(0) - wanted) / (found.std(0) / len(found) ** 0.5)
    assert z.abs().max() < 4
    assert torch.allclose(
        Dirichlet(a).log_prob(torch.stack([x, 1 - x], 1)), Beta(a[0], a[1]).log_prob(x)
    )


def detached_normaliser(a: Tensor, generator: torch.Generator) -> Tensor:
    gamma = torch._standard_gamma(a, generator=generator)
    return gamma / gamma.sum(-1, keepdim=True).detach()


def clamped(a: Tensor, generator: torch.Generator) -> Tensor:
    gamma = torch._standard_gamma(a, generator=generator).clamp(0.3, 3.0)
    return gamma / gamma.sum(-1, keepdim=True)


def underflowing(a: Tensor, generator: torch.Generator) -> Tensor:
    """Right in exact arithmetic: but where all variates of a row underflow, they come out alike."""
    gamma = torch._standard_gamma(a, generator=generator)
    return gamma / gamma.sum(-1, keepdim=True)


@pytest.mark.parametrize(
    "draw, name",
    [(detached_normaliser, "large"), (clamped, "one"), (underflowing, "tiny")],
)
def test_catches_a_wrong_pathwise_gradient(draw: Any, name: str) -> None:
    assert slope(draw, CONCENTRATIONS[name], torch.float32) > 8
    if draw is underflowing:
        assert slope(draw, CONCENTRATIONS["large"], torch.float32) < 4


@pytest.mark.parametrize(
    "concentration, wanted",
    [
        ([3.0, 2.0, 2.0], [0.5, 0.25, 0.25]),
        ([3.0, 0.2, 2.0], [2 / 3, 0.0, 1 / 3]),
        ([0.2, 0.4, 0.3], [0.0, 1.0, 0.0]),
        ([0.5, 1.0, 0.5], [0.0, 1.0, 0.0]),
        ([1.0, 1.0, 1.0], [1.0, 0.0, 0.0]),
    ],
)
def test_the_mode_of_weights(concentration: list[float], wanted: list[float]) -> None:
    a = torch.tensor([concentration, [5.0, 5.0, 5.0]], requires_grad=True)
    mode = Dirichlet(a).mode
    assert torch.allclose(mode, torch.tensor([wanted, [1 / 3] * 3]))
    (through,) = torch.autograd.grad(mode.square().sum(), a)
    assert through.isfinite().all()


@pytest.mark.parametrize("name", CONCENTRATIONS)
def test_divergence_and_entropy_of_weights_by_monte_carlo(name: str) -> None:
    count, a = 100_000, torch.tensor(CONCENTRATIONS[name], dtype=torch.float64)
    b = 1.7 * a.flip(0)
    q, p = Dirichlet(a.expand(count, -1)), Dirichlet(b.expand(count, -1))
    value = q.draw(numbers(3))
    for found, wanted in (
        (q.log_prob(value) - p.log_prob(value), kl_divergence(q.dirichlet, p.dirichlet)[0]),
        (-q.log_prob(value), q.entropy()[0]),
    ):
        assert abs(found.mean() - wanted) < 4 * found.std() / count**0.5 + 1e-9
    assert kl_divergence(q.dirichlet, q.dirichlet)[0].abs() < 1e-9
