"""First the base alone, then all but the base, which is frozen."""

import copy
from typing import Any

import pytest
import torch

from hardattn.estimators import ESTIMATORS
from hardattn.estimators.base_first import BaseFirst
from hardattn.estimators.score_function import reinforce
from tests.support.agents import build, scenes


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.SGD])
def test_the_base_learns_and_settles_and_rests(kind: Any) -> None:
    """To the bit, although the descent has momentum from before."""
    agent, world = build("agent two_level", looks=2)
    estimator = BaseFirst(agent, world, base=3)
    descent = kind(
        agent.parameters(), 0.01, **({"momentum": 0.9} if kind is torch.optim.SGD else {})
    )
    settled = []
    settle, agent.settle = agent.settle, lambda: (settled.append(1), settle())

    def updates(looks: int) -> dict[str, torch.Tensor]:
        for _ in range(3):
            loss = estimator(agent, world, scenes(), torch.Generator().manual_seed(1))
            assert len(loss.path.loss) == looks
            descent.zero_grad()
            loss.total.backward()
            descent.step()
        return copy.deepcopy(agent.state_dict())

    begun = copy.deepcopy(agent.state_dict())
    learned, ended = updates(1), updates(2)
    assert len(settled) == 1
    for name in begun:
        if name != "group":
            of_base = name.startswith("base.")
            assert torch.equal(learned[name], begun[name]) == (not of_base), name
            assert torch.equal(ended[name], learned[name]) == of_base, name


def test_without_a_phase_of_the_base_it_is_reinforce() -> None:
    agent, world = build("agent two_level", looks=2)
    gradients = []
    for how in (BaseFirst(agent, world), reinforce):
        agent.zero_grad()
        how(agent, world, scenes(), torch.Generator().manual_seed(2)).total.backward()
        gradients.append(torch.cat([each.grad.flatten() for each in agent.parameters()]))
    assert torch.equal(*gradients) and gradients[0].abs().max() > 0


def test_in_evaluation_nothing_settles() -> None:
    agent, world = build("agent two_level", looks=2)
    estimator, before = BaseFirst(agent, world, base=1), copy.deepcopy(agent.state_dict())
    estimator.eval()
    for _ in range(3):
        estimator(agent, world, scenes(), torch.Generator().manual_seed(2))
    assert all(torch.equal(value, before[name]) for name, value in agent.state_dict().items())


def test_what_makes_no_sense_is_refused() -> None:
    agent, world = build("agent two_level", looks=2)
    with pytest.raises(ValueError, match="no updates or more, not -1"):
        ESTIMATORS["base_first"].build(agent, world, base=-1)
    with pytest.raises(ValueError, match="RAM has no base that settles"):
        BaseFirst(build("ram joint")[0], world)
