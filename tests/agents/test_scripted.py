"""Controls whose looks follow a script."""

import pytest
import torch
from torch import Tensor, nn

from hardattn.agents import Scripted
from hardattn.distributions import Uniform
from hardattn.rollout import Decision
from hardattn.world import Observation
from tests.support.agents import scenes


def test_what_a_script_is_told_its_observer_is_not() -> None:
    """The oracle's knowledge of the target must not reach whoever answers."""

    class Asked(nn.Module):
        def start(self, context: Tensor) -> Tensor:
            assert context.shape == (len(scenes()), 0)
            return context

        def step(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
            nought = seen.step
            return state, Decision(Uniform(seen.location), nought[:, None], nought, nought)

    told = torch.rand(len(scenes()), 2)
    agent = Scripted(Asked(), "oracle", 3)
    seen = Observation(torch.zeros(12, 1), torch.zeros(12, 2), torch.zeros(12))
    _, decision = agent.step(agent.start(told), seen)
    assert torch.equal(decision.location.mode, told)
    with pytest.raises(ValueError, match="context"):
        agent.step(agent.start(told[:, :0]), seen)


def test_an_oracle_that_is_shown_the_target_leaves_the_context_to_its_observer() -> None:
    class Asked(nn.Module):
        def start(self, context: Tensor) -> Tensor:
            return context

        def step(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
            assert torch.equal(state, told)
            nought = seen.step
            return state, Decision(Uniform(seen.location), nought[:, None], nought, nought)

    told, target = torch.rand(12, 2), torch.rand(12, 2)
    agent = Scripted(Asked(), "oracle", 3, shown=True)
    state = agent.start(told)
    for look in range(3):
        place = target if look == 0 else torch.zeros(12, 2)
        seen = Observation(torch.zeros(12, 1), place, torch.full((12,), look / 3))
        state, decision = agent.step(state, seen)
        assert torch.equal(decision.location.mode, target)
