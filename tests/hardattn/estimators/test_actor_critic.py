"""Actor and critic: generalised advantages against a slow sum, and PPO's later epochs."""

import pytest
import torch

from hardattn.estimators import ESTIMATORS
from hardattn.estimators.actor_critic import generalised_advantage
from hardattn.rollout import rollout, sample
from hardattn.scenes import Scenes
from tests.support.estimators import CAUGHT, UNBIASED, generator_of, make, points, three, z_scores
from tests.support.exact import exact_gradient, flat_gradient


@pytest.fixture
def scenes() -> Scenes:
    return three()


def test_a2c_without_trace_is_biased_and_with_full_trace_the_learned_baseline(
    scenes: Scenes,
) -> None:
    agent, world = points()
    exact = exact_gradient(agent, world, scenes)
    full = make("a2c", agent, world, gae_lambda=1.0)
    assert z_scores(full, agent, world, scenes, exact).abs().max() < UNBIASED
    for entropy in (0.0, 0.5):
        full = make("a2c", agent, world, gae_lambda=1.0, ent_coef=entropy)
        same = make("entropy_bonus", agent, world, ent_coef=entropy)
        one = flat_gradient(agent, full(agent, world, scenes, generator_of(0)).total)
        two = flat_gradient(agent, same(agent, world, scenes, generator_of(0)).total)
        assert torch.allclose(one, two, atol=1e-6)
    none = make("a2c", agent, world, gae_lambda=0.0)
    assert z_scores(none, agent, world, scenes, exact).abs().max() > CAUGHT


def test_generalised_advantage_against_a_slow_sum(scenes: Scenes) -> None:
    agent, world = points(each=False, halts=True)
    path = rollout(agent, world, scenes.repeat(20), sample, torch.Generator().manual_seed(0))
    assert path.alive.min() == 0
    advantage, target = generalised_advantage(path, 0.8)
    for b in range(60):
        alive = int(path.alive[:, b].sum())
        signal = (path.loss + path.cost - path.reward)[:, b].tolist()
        guess = [0.0, *(-path.value[: alive - 1, b]).tolist(), 0.0]
        for t in range(alive):
            wanted = sum(
                0.8**k * (signal[t + k] + guess[t + k + 1] - guess[t + k]) for k in range(alive - t)
            )
            assert advantage[t, b].item() == pytest.approx(wanted, abs=1e-5)
            assert target[t, b].item() == pytest.approx(wanted + guess[t], abs=1e-5)
        assert (advantage[alive:, b] == 0).all()


def test_ppo_begins_as_a2c_and_clips_later(scenes: Scenes) -> None:
    agent, world = points()
    many = scenes.repeat(64)
    options = dict(update_epochs=3, clip_range=0.1)
    loss = ESTIMATORS["ppo"].make(
        agent, world, many, torch.Generator().manual_seed(0), ent_coef=0.1, **options
    )
    same = ESTIMATORS["a2c"].make(
        agent, world, many, torch.Generator().manual_seed(0), ent_coef=0.1
    )
    wanted = flat_gradient(agent, same.total)
    assert torch.allclose(flat_gradient(agent, loss.total, retain=True), wanted, atol=1e-5)
    descent = torch.optim.SGD(agent.parameters(), 0.5)
    count = 1
    while loss.again is not None:
        descent.zero_grad()
        loss.total.backward()
        descent.step()
        before, loss = loss, loss.again()
        assert torch.equal(loss.path.location, before.path.location)
        assert torch.equal(loss.advantage, before.advantage)
        count += 1
    assert count == 3
    # Far beyond the bound, and to the policy's profit: nothing pulls any more.
    with torch.no_grad():
        agent.where.weight.mul_(30)
    far = ESTIMATORS["ppo"].make(
        agent, world, many, torch.Generator().manual_seed(0), update_epochs=1
    )
    assert far.total.isfinite()
