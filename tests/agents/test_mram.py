"""MRAM: two LSTMs, and what its policy trains."""

import pytest
import torch
from torch import nn

from hardattn.agents.mram import MRAM
from hardattn.rollout import rollout, sample
from tests.support.learning import CLASSES
from tests.support.recurrent_agents import reached, some, world


def test_mram_is_two_lstms_one_upon_the_other() -> None:
    torch.manual_seed(0)
    agent = MRAM((3, 4, 4), CLASSES, hidden=12)
    stack = nn.LSTM(12, 12, num_layers=2)
    for layer, core in enumerate((agent.lower, agent.upper)):
        for name, weight in core.cell.named_parameters():
            getattr(stack, f"{name}_l{layer}").data.copy_(weight.data)
    where, state, inputs, logits = world(), agent.start(torch.zeros(6, 0)), [], []
    view = where.open(some())
    for look in range(3):
        seen = where.observe(view, torch.full((6, 2), look / 3), look)
        state, decision = agent.step(state, seen)
        inputs.append(agent.glimpse(seen.glimpse, seen.location))
        logits.append(decision.logits)
    upper, (h, c) = stack(torch.stack(inputs))
    assert torch.allclose(agent.classifier(upper), torch.stack(logits), atol=1e-6)
    for layer, part in enumerate(state):
        assert torch.allclose(part, torch.cat([h[layer], c[layer]], 1), atol=1e-6)


@pytest.mark.parametrize("joint", [False, True])
def test_the_policy_of_mram_trains_what_it_may(joint: bool) -> None:
    agent = MRAM((3, 4, 4), CLASSES, hidden=12, joint=joint)
    path = rollout(agent, world(), some(), sample, torch.Generator().manual_seed(0))
    below = {"glimpse", "lower"} if joint else set()
    assert reached(agent, path.log_prob.sum()) == below | {"locator"}
