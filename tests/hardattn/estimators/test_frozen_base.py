"""First the base alone, then the policy alone; and what a population is judged by."""

import copy
from typing import Any

import pytest
import torch

from hardattn.estimators import ESTIMATORS
from hardattn.estimators.evolution import SNES
from hardattn.estimators.frozen_base import FrozenBase
from hardattn.estimators.score_function import Loss
from hardattn.world import World
from tests.support.agents import build, scenes


def updated(agent: Any, estimator: FrozenBase, world: World, descent: Any) -> Loss:
    loss: Loss = estimator(agent, world, scenes(), torch.Generator().manual_seed(1))
    descent.zero_grad()
    loss.total.backward()
    descent.step()
    return loss


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.SGD])
def test_the_base_learns_then_rests_while_the_policy_evolves(kind: Any) -> None:
    """To the bit, although the descent has momentum from before."""
    agent, world = build("agent das_net")
    estimator = FrozenBase(agent, world, base=3, sigma=0.1)
    descent = kind(
        agent.parameters(), 0.1, **({"momentum": 0.9} if kind is torch.optim.SGD else {})
    )
    begun = copy.deepcopy(agent.state_dict())
    for _ in range(3):
        assert len(updated(agent, estimator, world, descent).path.loss) == 1
    frozen = copy.deepcopy(agent.state_dict())
    for _ in range(3):
        assert len(updated(agent, estimator, world, descent).path.loss) == world.looks
    ended = agent.state_dict()
    for name, weight in ended.items():
        of_policy = name.startswith("policy")
        assert torch.equal(frozen[name], begun[name]) == of_policy, name
        assert torch.equal(weight, frozen[name]) == (not of_policy), name


def test_a_policy_that_is_all_evolves_as_by_snes() -> None:
    """The gradient of the policy is that of SNES of an agent that has no other weights."""
    agent, world = build("agent das_net")
    estimator = FrozenBase(agent, world).eval()

    class Bare(torch.nn.Module):
        start, step = agent.start, agent.step

        def __init__(self) -> None:
            super().__init__()
            self.policy = agent.policy

    bare = Bare()
    gradients = []
    for how, who in ((estimator, agent), (SNES(bare, world).eval(), bare)):
        agent.zero_grad()
        how(who, world, scenes(), torch.Generator().manual_seed(2)).total.backward()
        gradients.append(agent.policy.weight.grad.clone())
    assert torch.equal(*gradients) and gradients[0].abs().max() > 0


def test_what_is_easy_counts_less() -> None:
    agent, world = build("agent das_net")
    whole, hard = (FrozenBase(agent, world, easy=easy) for easy in (1.0, 0.25))
    path = whole(agent, world, scenes(), torch.Generator().manual_seed(1)).path
    logits = torch.zeros_like(path.logits)
    logits[0, 0, scenes().target[0]] = 1.0  # the first scene alone is right, at the first look
    logits[1:, 1, scenes().target[1]] = 1.0
    path = path._replace(logits=logits)
    each = path.loss.sum(0)
    right = torch.tensor([True] + [False] * 11) | (scenes().target == 0)
    assert torch.allclose(whole.judged(path, scenes()), each.mean())
    wanted = (each * torch.where(right, 0.25, 1.0)).mean()
    assert torch.allclose(hard.judged(path, scenes()), wanted)


@pytest.mark.parametrize("options", [{"base": -1}, {"easy": -0.1}, {"population": 3}])
def test_what_makes_no_sense_is_refused(options: dict[str, Any]) -> None:
    agent, world = build("agent das_net")
    with pytest.raises(ValueError):
        ESTIMATORS["frozen_base"].build(agent, world, **options)
