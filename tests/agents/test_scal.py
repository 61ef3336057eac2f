"""Self-critical attention: what its critic moves, and what its reward is."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hardattn.estimators.critic import SelfCriticalAttention
from hardattn.rollout import rollout, soft
from hardattn.world import World
from tests.support.feature_attention import by, gradients, small, some


def critical(weight: float, attention: str = "both") -> tuple[Any, World, SelfCriticalAttention]:
    agent, world = small("scal", attention=attention)
    torch.manual_seed(1)
    return agent, world, SelfCriticalAttention(agent, world, weight=weight, hidden=7)


@pytest.mark.parametrize("attention", ["spatial", "channel", "both"])
def test_the_critic_is_not_moved_to_please_the_agent(attention: str) -> None:
    found = []
    for weight in (0.0, 5.0):
        agent, world, estimator = critical(weight, attention)
        loss = estimator(agent, world, some())
        found.append(
            (
                gradients(estimator, loss.total),
                gradients(agent, by(soft)(agent, world, some()).total),
            )
        )
    for name in found[0][0]:
        assert torch.equal(found[0][0][name], found[1][0][name])
        assert found[0][0][name].abs().max() > 0


def test_the_value_moves_the_attention_and_nothing_that_answers() -> None:
    agent, world, estimator = critical(0.0)
    plain = gradients(agent, by(soft)(agent, world, some()).total)
    without = gradients(agent, estimator(agent, world, some()).total)
    for name in plain:
        assert torch.allclose(plain[name], without[name], atol=1e-7), name
    agent, world, estimator = critical(5.0)
    pleased = gradients(agent, estimator(agent, world, some()).total)
    changed = {name.split(".")[0] for name in plain if not torch.equal(plain[name], pleased[name])}
    assert changed == {"encoder", "spatial", "channel"}


def test_the_reward_is_being_right_and_being_better_than_without() -> None:
    agent, world, estimator = critical(1.0)
    loss = estimator(agent, world, some())
    path, target = loss.path, some().target
    p = path.logits.softmax(-1)
    wanted = []
    for i in range(6):
        right = path.logits[1, i].argmax() == target[i]
        better = p[1, i, target[i]] > p[0, i, target[i]]
        wanted.append(float(right) + float(better))
    assert loss.advantage[1].tolist() == [-reward for reward in wanted]
    assert not loss.advantage[0].any() and set(wanted) - {0.0}
    features = agent.encoder(world.context(some()))
    gate = agent.channel(features.mean(1))
    foreseen = estimator.critic(features, path.location[1], gate)
    misfit = (foreseen - torch.tensor(wanted)) ** 2
    total = (path.loss.sum(0) - foreseen + misfit).mean()
    assert loss.total.item() == pytest.approx(total.item(), abs=1e-5)
    # Without attention: the mean of the features, ungated.
    assert torch.allclose(path.logits[0], agent.answer(features.mean(1)), atol=1e-5)


def test_the_agent_learns_what_the_critic_likes() -> None:
    """With a critic held fixed that likes the first cell, the attention goes there."""
    agent, world, estimator = critical(30.0, "spatial")

    class FirstCell(nn.Module):
        def forward(self, features: Tensor, weights: Tensor, gate: Tensor) -> Tensor:
            return weights[:, 0]

    estimator.critic = FirstCell()  # type: ignore[assignment]
    descent = torch.optim.Adam(agent.parameters(), 0.01)
    before = rollout(agent, world, some(), soft).location[1, :, 0].mean()
    for _ in range(60):
        descent.zero_grad()
        estimator(agent, world, some()).total.backward()
        descent.step()
    after = rollout(agent, world, some(), soft).location[1, :, 0].mean()
    assert before < 0.3 and after > 0.6


def test_scal_says_what_it_cannot_be() -> None:
    with pytest.raises(ValueError, match="no attention"):
        small("scal", attention="nowhere")
    agent, world = small("scal", looks=3)
    with pytest.raises(ValueError, match="two looks"):
        SelfCriticalAttention(agent, world)(agent, world, some())
