"""Guides: the evidence bound by hand, and what each estimator of it does."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from hardattn.estimators import ESTIMATORS, Loss
from hardattn.estimators.variational import Guided
from hardattn.rollout import rollout, sample
from hardattn.scenes import Scenes
from hardattn.sensors import GaussianWindow
from hardattn.world import World
from tests.support.estimators import (
    CAUGHT,
    UNBIASED,
    Setting,
    bias,
    cells,
    estimates,
    generator_of,
    likelihood,
    make,
    plane,
    three,
    weights,
    z_scores,
)
from tests.support.exact import Tiny, enumerate_episodes, flat_gradient, support


@pytest.fixture
def scenes() -> Scenes:
    return three()


def evidence(agent: Tiny, world: World, scenes: Scenes) -> Tensor:
    """(): the negative evidence bound by hand: sum_z q(z) (loss(z) + log q(z) - log p(z))."""
    path, _ = enumerate_episodes(agent, world, scenes)
    loss = (path.loss + path.cost).sum(0).unflatten(0, (3, -1))
    view = world.open(scenes)
    state, decision = agent.step(
        agent.start(world.context(scenes)), world.observe(view, world.first(scenes), 0)
    )
    values, volume = support(decision.location)
    log_q = agent.guide(state, scenes.target).log_prob(values[:, None]).T
    log_p = decision.location.log_prob(values[:, None]).T
    return ((log_q + volume).exp() * (loss + log_q - log_p)).sum(1).mean()


def test_the_enumerated_evidence_bound_is_exact(scenes: Scenes) -> None:
    agent, world = cells()
    exact = evidence(agent, world, scenes)
    loss = ESTIMATORS["variational_enumerated"].make(agent, world, scenes)
    assert loss.total.item() == pytest.approx(exact.item(), abs=1e-5)
    wanted = flat_gradient(agent, exact)
    assert torch.allclose(flat_gradient(agent, loss.total), wanted, atol=1e-5)


def test_the_evidence_bound_charges_no_place_that_is_never_looked_at(scenes: Scenes) -> None:
    agent, world = cells(looks=5)
    loss = ESTIMATORS["variational_enumerated"].make(agent, world.upto(2), scenes)
    assert loss.total.item() == pytest.approx(evidence(agent, world.upto(2), scenes).item())


def test_variational_sampling_is_unbiased_for_the_evidence_bound(scenes: Scenes) -> None:
    agent, world = cells()
    exact = flat_gradient(agent, evidence(agent, world, scenes))
    estimator = make("variational_sampled", agent, world)
    assert z_scores(estimator, agent, world, scenes, exact).abs().max() < UNBIASED


@pytest.mark.parametrize(
    "setting", [weights, partial(plane, GaussianWindow(2, sigma=0.8), bonus=0.0)]
)
def test_variational_paths_are_unbiased_for_the_evidence_bound(
    setting: Callable[[], Setting], scenes: Scenes
) -> None:
    agent, world = setting()
    exact = flat_gradient(agent, evidence(agent, world, scenes))
    estimator = make("variational_pathwise", agent, world)
    assert z_scores(estimator, agent, world, scenes, exact).abs().max() < UNBIASED

    def planted(agent: Tiny, world: World, scenes: Scenes, generator: torch.Generator) -> Loss:
        """The draw is detached, and no score makes up for it."""
        path = rollout(Guided(agent, world, scenes.target), world, scenes, sample, generator)
        return Loss((path.loss + path.cost).sum(0).mean(), path, torch.zeros_like(path.loss))

    found = estimates(planted, agent, world, scenes, 50, 64)
    error = (found.std(0) / 50**0.5).clamp_min(1e-5)
    assert ((found.mean(0) - exact) / error).abs().max() > CAUGHT


def test_the_guide_is_introduced_after_pretraining(scenes: Scenes) -> None:
    agent, world = weights()
    of = {
        name: make(name, agent, world)(agent, world, scenes, generator_of(0)).total.item()
        for name in ("pathwise", "variational_pathwise")
    }
    assert of["pathwise"] != of["variational_pathwise"]

    def total(estimator: nn.Module) -> float:
        return estimator(agent, world, scenes, generator_of(0)).total.item()

    estimator = make("variational_pathwise", agent, world, pretraining=2)
    assert total(estimator) == total(estimator.train()) == of["pathwise"]  # eval() counts nothing
    resumed = make("variational_pathwise", agent, world, pretraining=2).train()
    resumed.load_state_dict(estimator.state_dict())
    assert [total(resumed) for _ in range(3)] == [of["pathwise"], *[of["variational_pathwise"]] * 2]


def test_bias_of_a_relaxed_guide_shrinks_with_temperature(scenes: Scenes) -> None:
    """Its loss does as well: in the limit it is that of the cell that was drawn."""
    agent, world = cells()
    exact = flat_gradient(agent, evidence(agent, world, scenes))
    hot = bias("variational_gumbel", exact, (agent, world), scenes, temperature=3.0)
    cold = bias("variational_gumbel", exact, (agent, world), scenes, temperature=0.1)
    assert cold < hot / 2
    assert cold < 0.15
    sharp = make("variational_gumbel", agent, world, temperature=1e-5)
    path = rollout(Guided(agent, world, scenes.target), world, scenes, sample, generator_of(0))
    wanted = (path.loss + path.cost).sum(0).mean()
    assert torch.allclose(sharp(agent, world, scenes, generator_of(0)).total, wanted, atol=1e-5)


def test_wake_sleep_follows_the_likelihood_as_samples_grow(scenes: Scenes) -> None:
    """Answer and policy do; the guide has its own objective, and learns."""
    agent, world = cells()
    probability, fit = likelihood(agent, world, scenes)
    exact = flat_gradient(agent, -(probability * fit).sum(1).log().mean())
    rest = flat_gradient(agent, agent.posterior(torch.ones(1, 7)).sum()) == 0
    estimator = make("wake_sleep", agent, world, samples=64)
    found = estimates(estimator, agent, world, scenes, 200, 8).mean(0)
    core = sum(w.numel() for w in agent.core.parameters())
    rest[:core] = False  # the guide's objective passes through the core as well
    assert ((found - exact)[rest].norm() / exact[rest].norm()).item() < 0.1
    assert found[~rest].abs().max() > 1e-3
