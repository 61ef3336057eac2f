import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical, Independent, Normal, kl_divergence

from hardattn.distributions import Choice, Fixed, Gaussian, Places, Somewhere, Stop
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
    "cells": (lambda: Choice(normals(5, 12), GRID), (2,)),
    "cells of masks": (lambda: Choice(normals(5, 7), torch.eye(7)), (7,)),
    "somewhere": (lambda: Somewhere(normals(5, 9)), (2,)),
    "somewhere in 3": (lambda: Somewhere(normals(5, 9), 3), (3,)),
    "fixed": (lambda: Fixed(normals(5, 2)), (2,)),
    "stop": (lambda: Stop(normals(5)), ()),
}


@pytest.mark.parametrize("name", EVERY)
def test_every_distribution(name):
    """Shapes, and draws that are a function of the generator and touch no other."""
    make, event = EVERY[name]
    places = make()
    assert isinstance(places, Places)
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
    value, log_prob = greedy(places, numbers(0))
    assert value.shape == (5, *EVERY[name][1])
    assert torch.equal(log_prob, places.log_prob(value))
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
    for make in (lambda x: Gaussian(x, 1.0), lambda x: Choice(x, torch.eye(3)), Stop):
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
    value, log_prob = sample(places, numbers(0))
    assert not value.requires_grad
    (score,) = torch.autograd.grad(log_prob.sum(), mean)
    assert torch.allclose(score, (value - mean).detach() / 0.3**2, rtol=1e-4)
    attached = places.draw(numbers(0))
    assert torch.equal(attached.detach(), value)
    (nothing,) = torch.autograd.grad(places.log_prob(attached).sum(), mean)
    assert torch.equal(nothing, torch.zeros(5, 2))


def test_cells_against_closed_forms():
    logits = normals(6, 12).requires_grad_()
    cells = Choice(logits, GRID)
    chance = logits.softmax(-1)
    value, log_prob = sample(cells, numbers(0))
    drawn = torch.tensor([GRID.tolist().index(place) for place in value.tolist()])
    assert torch.equal(log_prob, Categorical(logits=logits).log_prob(drawn))
    assert torch.allclose(log_prob, chance[torch.arange(6), drawn].log(), atol=1e-6)
    assert torch.allclose(cells.entropy(), -(chance * chance.log()).sum(-1), atol=1e-6)
    assert torch.allclose(cells.mean, (chance[..., None] * GRID).sum(1), atol=1e-6)
    assert torch.equal(cells.mode, GRID[logits.argmax(-1)])
    (score,) = torch.autograd.grad(log_prob.sum(), logits)
    hot = torch.nn.functional.one_hot(drawn, 12).float()
    assert torch.allclose(score, hot - chance, atol=1e-6)
    assert not cells.draw(numbers(0)).requires_grad


def test_cells_log_prob_of_each_centre():
    cells = Choice(normals(3, 12), GRID)
    for number, centre in enumerate(GRID):
        wanted = cells.choice.logits[:, number]
        assert torch.equal(cells.log_prob(centre.expand(3, 2)), wanted)
        assert torch.equal(cells.log_prob(centre.expand(3, 2) + 0.1), wanted)


def test_cells_close_together_are_told_apart():
    """torch.cdist rounds by 1e-3 or so once 25 points meet 25, unless it is forbidden to."""
    centres = 0.9 + torch.linspace(-1e-3, 1e-3, 40)[:, None].expand(40, 2)
    cells = Choice(normals(100, 40), centres)
    value = cells.draw(numbers(0))
    drawn = (value[:, None] == centres).all(-1).int().argmax(-1)
    assert torch.equal(cells.log_prob(value), cells.choice.log_prob(drawn))


def test_cells_ruled_out_are_never_drawn():
    logits = torch.zeros(2000, 4)
    logits[:, 1] = -math.inf
    value = Choice(logits, torch.arange(4.0)[:, None]).draw(numbers(0))
    assert set(value.flatten().tolist()) == {0, 2, 3}


def test_cells_take_a_time_axis():
    logits = normals(3, 5, 12)
    cells = Choice(logits, GRID)
    value = cells.draw(numbers(0))
    assert value.shape == (3, 5, 2)
    for t in range(3):
        assert torch.equal(cells.log_prob(value)[t], Choice(logits[t], GRID).log_prob(value[t]))


def z_scores(observed: Tensor, chance: Tensor, count: int) -> Tensor:
    return (observed - chance).abs() / (chance * (1 - chance) / count).sqrt()


def test_cells_are_drawn_as_often_as_they_should():
    count, logits = 40_000, torch.tensor([0.0, 1.0, -2.0, 0.5, -1.0])
    value = Choice(logits.expand(count, 5), torch.arange(5.0)[:, None]).draw(numbers(0))
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
    value, log_prob = sample(stop, numbers(0))
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
    places = Somewhere(torch.zeros(20_000, 1), 2)
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
    fixed = Fixed(place)
    for value in (fixed.draw(numbers(0)), fixed.mode, fixed.mean):
        assert value is place
    value, log_prob = sample(fixed, numbers(0))
    assert torch.equal(value, place)
    assert not value.requires_grad
    assert torch.equal(log_prob, torch.zeros(5))
    assert torch.equal(fixed.entropy(), torch.zeros(5))
