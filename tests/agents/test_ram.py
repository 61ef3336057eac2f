"""The recurrent attention model: its weights, and what trains what."""

import pytest
import torch
from torch import Tensor, nn

from hardattn.agents import RAM
from hardattn.rollout import rollout, sample
from tests.support.agents import SMALL, build, scenes


@pytest.mark.parametrize("core, gates", [("rnn", 1), ("gru", 3), ("lstm", 4)])
def test_ram_has_the_weights_of_the_paper(core: str, gates: int) -> None:
    """Counted by hand: two encoders of 128, features and core of 256, three linear heads."""
    g, h, k = 8 * 8, 256, 10
    glimpse = (g * 128 + 128) + (2 * 128 + 128) + 2 * (128 * h + h)
    heads = (h * k + k) + (h * 2 + 2) + (h + 1)
    agent = RAM((1, 8, 8), k, core=core)
    count = sum(weight.numel() for weight in agent.parameters())
    assert count == glimpse + gates * 2 * (h * h + h) + heads


def policy_gradient(joint: bool) -> dict[str, Tensor | None]:
    """The gradient of the log-probability of looks alone, by weight."""
    agent, world = build("ram joint" if joint else "ram rnn")
    path = rollout(agent, world, scenes(), sample, torch.Generator().manual_seed(0))
    names, weights = zip(*agent.named_parameters(), strict=True)
    grads = torch.autograd.grad(path.log_prob.sum(), weights, allow_unused=True)
    return dict(zip(names, grads, strict=True))


def test_the_policy_trains_the_core_only_if_joint() -> None:
    reached = {name for name, grad in policy_gradient(joint=False).items() if grad is not None}
    assert reached == {"locator.weight", "locator.bias"}
    joint = policy_gradient(joint=True)
    unreached = {name for name, grad in joint.items() if grad is None}
    assert unreached == {
        f"{head}.{kind}" for head in ("classifier", "critic") for kind in ("weight", "bias")
    }
    assert all(grad.abs().max() > 0 for grad in joint.values() if grad is not None)


def test_the_critic_moves_nothing_but_itself() -> None:
    agent, world = build("ram joint")
    path = rollout(agent, world, scenes(), sample, torch.Generator().manual_seed(0))
    names, weights = zip(*agent.named_parameters(), strict=True)
    grads = torch.autograd.grad(path.value.sum(), weights, allow_unused=True)
    reached = {name for name, grad in zip(names, grads, strict=True) if grad is not None}
    assert reached == {"critic.weight", "critic.bias"}


def test_an_lstm_remembers_in_both_of_its_states() -> None:
    agent, world = build("ram lstm")
    state = agent.start(world.context(scenes()))
    assert state.shape == (len(scenes()), 2 * SMALL["hidden"])
    seen = world.observe(world.open(scenes()), world.first(scenes()), 0)
    once, _ = agent.step(state, seen)
    cell = nn.LSTMCell(SMALL["hidden"], SMALL["hidden"])
    cell.load_state_dict(agent.core.cell.state_dict())
    nought = torch.zeros(len(scenes()), SMALL["hidden"])
    h, c = cell(agent.glimpse(seen.glimpse, seen.location), (nought, nought))
    assert torch.equal(once, torch.cat([h, c], 1))
