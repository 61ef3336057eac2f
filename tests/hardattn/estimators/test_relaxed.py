"""Relaxed looks and paths through the sensor, against what they are the gradient of."""

import pytest
import torch

from hardattn.estimators import ESTIMATORS, pathwise
from hardattn.rollout import rollout, soft
from hardattn.scenes import Scenes
from hardattn.sensors import GaussianWindow
from tests.support.estimators import bias, cells, estimates, generator_of, plane, points, three
from tests.support.exact import exact_gradient, flat_gradient


@pytest.fixture
def scenes() -> Scenes:
    return three()


def test_bias_of_gumbel_softmax_shrinks_with_temperature(scenes: Scenes) -> None:
    setting = cells()
    exact = exact_gradient(*setting, scenes)
    hot = bias("gumbel_softmax", exact, setting, scenes, temperature=3.0)
    cold = bias("gumbel_softmax", exact, setting, scenes, temperature=0.1)
    assert cold < hot / 2
    assert cold < 0.15


def test_straight_through_looks_at_what_was_drawn(scenes: Scenes) -> None:
    agent, world = cells()
    generator = torch.Generator().manual_seed(0)
    path = ESTIMATORS["straight_through"].make(agent, world, scenes, generator).path
    assert torch.allclose(path.location.sort(-1).values[..., -1], torch.ones(2, 3))
    exact = exact_gradient(agent, world, scenes)
    assert bias("straight_through", exact, (agent, world), scenes) < 1


def test_soft_attention_is_the_gradient_of_the_mean_look(scenes: Scenes) -> None:
    agent, world = cells()
    path = rollout(agent, world, scenes, soft)
    exact = flat_gradient(agent, (path.loss + path.cost).sum(0).mean())
    loss = ESTIMATORS["soft_attention"].make(agent, world, scenes)
    assert torch.allclose(flat_gradient(agent, loss.total), exact, atol=1e-6)
    assert torch.allclose(path.location[1].sum(-1), torch.ones(3))
    assert (path.location[1] > 0).all()


def test_relax_lowers_the_variance_of_rebar_when_it_learns(scenes: Scenes) -> None:
    agent, world = cells()
    many = scenes.repeat(32)
    estimator = ESTIMATORS["relax"].make(agent, world, temperature=2.0)
    weights = list(estimator.parameters())

    def variance() -> float:
        return estimates(estimator, agent, world, scenes, 150, 4).var(0).sum().item()

    before = variance()
    descent, generator = torch.optim.Adam(weights, 0.03), generator_of(9)
    for _ in range(80):
        total = estimator(agent, world, many, generator).total
        for weight, gradient in zip(weights, torch.autograd.grad(total, weights), strict=True):
            weight.grad = gradient
        descent.step()
    assert variance() < before * 0.95


def test_pathwise_refuses_what_it_cannot_differentiate(scenes: Scenes) -> None:
    agent, world = plane(GaussianWindow(2), bonus=0.7)
    with pytest.raises(ValueError, match="bonus=0"):
        pathwise(agent, world, scenes)
    agent, world = cells()
    with pytest.raises(ValueError, match="no pathwise draw"):
        pathwise(agent, world, scenes)
    agent, world = points(bonus=0.0)
    with pytest.raises(ValueError, match="no gradient passes through a Retina"):
        pathwise(agent, world, scenes)
