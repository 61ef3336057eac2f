"""Estimators that look several times, against the bounds that they are the gradient of."""

import pytest

from hardattn.scenes import Scenes
from tests.support.estimators import UNBIASED, bias, likelihood, make, points, three, z_scores
from tests.support.exact import flat_gradient


@pytest.fixture
def scenes() -> Scenes:
    return three()


def test_vimco_is_unbiased_for_its_bound(scenes: Scenes) -> None:
    agent, world = points(bonus=0.0)
    probability, fit = likelihood(agent, world, scenes)
    pairs = probability[:, :, None] * probability[:, None]
    bound = (pairs * ((fit[:, :, None] + fit[:, None]) / 2).log()).sum((1, 2))
    exact = flat_gradient(agent, -bound.mean())
    z = z_scores(make("vimco", agent, world, samples=2), agent, world, scenes, exact)
    assert z.abs().max() < UNBIASED


@pytest.mark.parametrize("name", ["reweighted_wake_sleep", "vimco"])
def test_bias_from_the_likelihood_shrinks_with_samples(name: str, scenes: Scenes) -> None:
    agent, world = points(bonus=0.0)
    probability, fit = likelihood(agent, world, scenes)
    exact = flat_gradient(agent, -(probability * fit).sum(1).log().mean())
    setting = (agent, world)
    few = bias(name, exact, setting, scenes, samples=2)
    many = bias(name, exact, setting, scenes, samples=32)
    assert many < few / 2
    assert many < 0.1
