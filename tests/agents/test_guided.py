"""RAM with a guide that sees the answer."""

from typing import Any

import pytest
import torch
from torch import Tensor

from hardattn.agents.guided import GuidedRAM
from hardattn.distributions import Gaussian
from hardattn.estimators import ESTIMATORS
from hardattn.estimators.variational import Guided, divergence
from hardattn.evaluation.evaluate import evaluate
from hardattn.rollout import rollout, sample
from hardattn.scenes import Scenes
from tests.support.more_agents import build, generator, scenes


class Unguided(GuidedRAM):
    """A guide that is the policy."""

    def guide(self, state: Tensor, target: Tensor) -> Any:
        features = self.core.output(state)
        features = features if self.joint else features.detach()
        return Gaussian(torch.tanh(self.locator(features)), self.std)


@pytest.mark.parametrize("joint", [False, True])
def test_guided_by_its_policy_it_is_self_critical(joint: bool) -> None:
    """No KL, and the same gradient, for the mean look of a Gaussian is its greedy one."""
    agent, world = build(Unguided, joint=joint)
    path = rollout(Guided(agent, world, scenes().target), world, scenes(), sample, generator())
    assert not path.cost.any()
    found = [
        torch.autograd.grad(
            ESTIMATORS[name].make(agent, world, scenes(), generator()).total,
            list(agent.parameters()),
            allow_unused=True,
        )
        for name in ("variational_sampled", "self_critical")
    ]
    for (name, _), one, other in zip(agent.named_parameters(), *found, strict=True):
        assert (one is None) == (other is None) == name.startswith("proposal"), name
        assert one is None or torch.allclose(one, other, atol=1e-6), name


def test_the_guide_is_charged_its_divergence() -> None:
    agent, world = build(GuidedRAM, std=0.2, guide_std=0.1)
    seen = world.observe(world.open(scenes()), world.first(scenes()), 0)
    state, decision = agent.step(agent.start(world.context(scenes())), seen)
    q, p = agent.guide(state, scenes().target), decision.location
    ratio = torch.tensor(0.1 / 0.2)
    apart = ((q.mean - p.mean) / 0.2).pow(2).sum(1)
    wanted = 0.5 * (apart + 2 * ratio**2 - 2 - 4 * ratio.log())
    assert torch.allclose(divergence(q, p), wanted, atol=1e-5)


def test_the_guide_sees_the_answer_and_nobody_else_does() -> None:
    agent, world = build(GuidedRAM)
    seen = world.observe(world.open(scenes()), world.first(scenes()), 0)
    state, _ = agent.step(agent.start(world.context(scenes())), seen)
    places = torch.stack([agent.guide(state, torch.full((12,), label)).mean for label in range(10)])
    assert (places.std(0) > 0).all()
    path = rollout(agent, world, scenes(), sample, generator())
    other = Scenes(scenes().image, (scenes().target + 1) % 10, scenes().box, scenes().index)
    again = rollout(agent, world, other, sample, generator())
    assert torch.equal(path.location, again.location) and torch.equal(path.logits, again.logits)
    assert not path.value.any()


def test_in_use_the_guide_is_never_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    agent, world = build(GuidedRAM)

    def asked(*_: Any) -> Any:
        raise AssertionError("the guide was asked")

    monkeypatch.setattr(agent, "guide", asked)
    evaluate(agent, world, scenes())
    ESTIMATORS["reinforce"].make(agent, world, scenes(), generator())
    with pytest.raises(AssertionError, match="guide"):
        ESTIMATORS["variational_sampled"].make(agent, world, scenes(), generator())
