"""DT-RAM: when it stops."""

from typing import Any

import pytest
import torch
from torch import nn

from hardattn.agents import RAM
from hardattn.agents.dt_ram import DTRAM
from hardattn.estimators import ESTIMATORS
from hardattn.rollout import greedy, rollout, sample
from tests.support.learning import CLASSES
from tests.support.recurrent_agents import gradients, some, world


def dt_ram(**options: Any) -> DTRAM:
    torch.manual_seed(0)
    return DTRAM((3, 4, 4), CLASSES, hidden=12, what=9, where=7, **options)


def stops(agent: DTRAM, logit: float) -> DTRAM:
    """The same, but it stops with probability sigmoid(logit), whatever it sees."""
    last = agent.decider[2]
    assert isinstance(last, nn.Linear)
    nn.init.zeros_(last.weight)
    nn.init.constant_(last.bias, logit)
    return agent


def test_dt_ram_that_never_stops_is_ram() -> None:
    agent = stops(dt_ram(price=0.3), -5.0)
    torch.manual_seed(0)
    ram = RAM((3, 4, 4), CLASSES, hidden=12, what=9, where=7)
    ram.load_state_dict({k: v for k, v in agent.state_dict().items() if "decider" not in k})
    first = torch.zeros(6, 2)
    one, other = (rollout(who, world(), some(), greedy, None, first) for who in (agent, ram))
    assert (one.alive == 1).all() and torch.allclose(one.cost, torch.full((3, 6), 0.3))
    for name in ("location", "logits", "value", "loss", "reward", "alive"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name


@pytest.mark.parametrize("logit", [-1.0, 0.0, 1.5])
def test_dt_ram_stops_as_often_as_it_says(logit: float) -> None:
    """Looks are geometric up to T: their mean is the sum of (1 - p)^t; z below 4.5."""
    agent, count, most = stops(dt_ram(price=0.25), logit), 20_000, 5
    scenes = some(1).repeat(count)
    with torch.no_grad():
        path = rollout(agent, world(most, each=False), scenes, sample, torch.Generator())
    taken = path.alive.sum(0)
    go_on = 1 - torch.sigmoid(torch.tensor(logit)).item()
    z = (taken.mean() - sum(go_on**t for t in range(most))) / (taken.std() / count**0.5)
    assert abs(z) < 4.5
    assert torch.allclose(path.cost.sum(0), 0.25 * taken)
    assert (path.alive[1:] <= path.alive[:-1]).all() and (path.alive[0] == 1).all()
    # One answer is asked, at the last look taken; nothing happens after.
    asked = (path.loss > 0).float()
    assert torch.equal(asked.sum(0), torch.ones(count))
    assert torch.equal(asked.argmax(0), taken.long() - 1)
    for field in (path.log_prob, path.entropy, path.cost, path.loss):
        assert not field[path.alive == 0].any()


@pytest.mark.parametrize("each", [False, True])
def test_stopping_is_learned_by_score_function_alone(each: bool) -> None:
    """p(stop at 1) = p: E[loss] = p L1 + (1 - p) (price + L2); its derivative in the logit.

    Asked after each look, L2 is the mean of both answers' losses, and L1 that of the first twice.
    """
    agent = stops(dt_ram(price=0.1, std=1e-6), 0.4)
    scenes, first = some(1).repeat(40_000), torch.zeros(40_000, 2)
    where = world(2, each=each, first="centre")
    with torch.no_grad():
        one, two = (
            rollout(stops(agent, logit), where, some(1), greedy, None, first[:1]).loss.sum().item()
            for logit in (9.0, -9.0)
        )
    stops(agent, 0.4)
    loss = ESTIMATORS["reinforce"].make(agent, where, scenes, torch.Generator().manual_seed(0))
    found = gradients(agent, loss.total)["decider.2.bias"]
    p = torch.sigmoid(torch.tensor(0.4)).item()
    wanted = p * (1 - p) * (one - two - 0.1)
    deviation = (p * (1 - p)) ** 0.5 * max(one, two) * 2 / 200
    assert found is not None and abs(found.item() - wanted) < 4.5 * deviation
    assert abs(wanted) > 0
