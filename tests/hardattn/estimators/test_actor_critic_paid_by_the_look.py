"""Actor-critic whose looks are paid by how far each made the cross-entropy fall."""

import math

import pytest
import torch
from torch.nn import functional as F

from hardattn.estimators import ESTIMATORS
from hardattn.estimators.actor_critic import falls, generalised_advantage
from hardattn.estimators.score_function import distillation
from hardattn.rollout import rollout, sample
from hardattn.scenes import Scenes
from tests.support.estimators import UNBIASED, generator_of, make, points, three, z_scores
from tests.support.exact import enumerate_episodes, flat_gradient


@pytest.fixture
def scenes() -> Scenes:
    return three()


def test_falls_are_of_the_cross_entropy_and_add_up(scenes: Scenes) -> None:
    agent, world = points(halts=True)
    path = rollout(agent, world, scenes.repeat(50), sample, generator_of(0))
    found, target = falls(path, world, scenes.repeat(50)), scenes.repeat(50).target
    assert path.alive.min() == 0 and not found.requires_grad
    for episode in range(0, 150, 7):
        alive = int(path.alive[:, episode].sum())
        before = math.log(3)
        for look in range(alive):
            after = F.cross_entropy(path.logits[look, episode], target[episode]).item()
            assert found[look, episode].item() == pytest.approx(before - after, abs=1e-5)
            before = after
        assert not found[alive:, episode].any()


@pytest.mark.parametrize("discount, gae_lambda", [(0.5, 0.84), (1.0, 0.0), (0.9, 1.0)])
def test_a_discounted_advantage_against_a_slow_sum(
    discount: float, gae_lambda: float, scenes: Scenes
) -> None:
    agent, world = points(halts=True)
    many = scenes.repeat(20)
    path = rollout(agent, world, many, sample, generator_of(0))
    signal = path.cost - falls(path, world, many)
    advantage, target = generalised_advantage(path, gae_lambda, discount, signal)
    for b in range(60):
        alive = int(path.alive[:, b].sum())
        guess = [0.0, *(-path.value[: alive - 1, b]).tolist(), 0.0]
        for t in range(alive):
            wanted = sum(
                (discount * gae_lambda) ** k
                * (signal[t + k, b].item() + discount * guess[t + k + 1] - guess[t + k])
                for k in range(alive - t)
            )
            assert advantage[t, b].item() == pytest.approx(wanted, abs=1e-5)
            assert target[t, b].item() == pytest.approx(wanted + guess[t], abs=1e-5)
        assert not advantage[alive:, b].any()


@pytest.mark.parametrize("name", ["a2c", "ppo"])
def test_undiscounted_falls_are_the_last_cross_entropy(name: str, scenes: Scenes) -> None:
    """They telescope: looks descend what the answer loses in the end, whatever was asked before."""
    agent, world = points()
    path, probability = enumerate_episodes(agent, world, scenes)
    target = scenes.target.repeat_interleave(len(probability) // len(scenes))
    last = F.cross_entropy(path.logits[-1], target, reduction="none")
    cost = path.cost.sum(0)
    answers = ((path.loss + path.cost).sum(0) * probability.detach()).sum()
    looks = ((last + cost).detach() * probability).sum()
    exact = flat_gradient(agent, (answers + looks) / len(scenes))
    options = dict(gae_lambda=1.0, per_look=True) | ({"update_epochs": 1} if name == "ppo" else {})
    estimator = make(name, agent, world, **options)
    assert z_scores(estimator, agent, world, scenes, exact).abs().max() < UNBIASED


def test_ppo_teaches_the_answers_on_the_way_in_each_update(scenes: Scenes) -> None:
    agent, world = points()
    given = dict(update_epochs=2, per_look=True, gamma=0.5)
    plain, helped = (
        ESTIMATORS["ppo"].make(agent, world, scenes, generator_of(0), distil=weight, **given)
        for weight in (0.0, 0.5)
    )
    while plain is not None and helped is not None:
        assert torch.equal(plain.advantage, helped.advantage)
        wanted = plain.total + 0.5 * distillation(plain.path)
        kept = flat_gradient(agent, wanted, retain=True)
        assert torch.allclose(flat_gradient(agent, helped.total, retain=True), kept, atol=1e-6)
        assert (plain.again is None) == (helped.again is None)
        plain, helped = (one.again() if one.again else None for one in (plain, helped))
