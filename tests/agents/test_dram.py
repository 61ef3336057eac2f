"""DRAM: what its context may say, and what its layers are."""

from typing import Any

import pytest
import torch
from torch import nn

from hardattn.agents.dram import DRAM
from hardattn.agents.mram import MRAM
from hardattn.rollout import rollout, sample
from tests.support.learning import CLASSES
from tests.support.recurrent_agents import COARSE, gradients, reached, some, told, world


def dram(context: tuple[int, ...] = COARSE, **options: Any) -> DRAM:
    torch.manual_seed(0)
    return DRAM((3, 4, 4), CLASSES, context=context, hidden=12, features=10, filters=4, **options)


def test_the_context_says_where_to_look_and_never_what_is_seen() -> None:
    agent = dram()
    path, context = told(agent, world(context="coarse"), sample)
    for row in range(3):
        found = torch.autograd.grad(path.logits[row].sum(), context, allow_unused=True)
        assert found[0] is None  # the places were drawn, and are detached
    for row in (1, 2):
        (found,) = torch.autograd.grad(path.log_prob[row].sum(), context, retain_graph=True)
        assert (found.flatten(1).abs().amax(1) > 0).all()


def test_only_the_places_carry_the_context_into_the_answer() -> None:
    """Given the places, what one was told changes no answer; not given, it does."""
    agent, where = dram(), world(context="coarse")
    view, given = where.open(some()), where.context(some())
    places = torch.linspace(-1, 1, 36).view(3, 6, 2)
    answers = []
    for context in (given, torch.rand_like(given)):
        state, rows = agent.start(context), []
        for look in range(3):
            state, decision = agent.step(state, where.observe(view, places[look], look))
            rows.append((decision.logits, decision.location.mean, decision.value))
        answers.append([torch.stack(each) for each in zip(*rows, strict=True)])
    (logits, mean, value), (others, elsewhere, worth) = answers
    assert torch.equal(logits, others)
    assert (mean != elsewhere).all() and (value != worth).all()


def test_dram_without_context_starts_from_nothing() -> None:
    agent = dram((0,))
    state = agent.start(torch.zeros(5, 0))
    assert [part.shape for part in state] == [(5, 24), (5, 24)]
    assert not any(part.any() for part in state)
    with_context = dram().start(torch.rand(5, *COARSE))
    assert not with_context.lower.any() and with_context.upper.all()
    with pytest.raises(ValueError, match=r"an image \(C, h, w\), or nothing"):
        dram((2,))


def test_dram_multiplies_what_and_where() -> None:
    """A place that the net is blind to hides the glimpse altogether."""
    net = dram().glimpse
    glimpse, place = torch.rand(5, 3, 4, 4), torch.rand(5, 2)
    whole = net(glimpse, place)
    what = torch.relu(net.what(net.convs(glimpse).flatten(1)))
    assert torch.allclose(whole, what * torch.relu(place @ net.where.weight.T + net.where.bias))
    nn.init.constant_(net.where.weight, -1.0)
    nn.init.zeros_(net.where.bias)
    assert not net(glimpse, place).any()


def test_the_layers_of_dram_and_mram_are_each_others_reverse() -> None:
    """Which parts move an answer, and which a place, after one look at what was seen there."""
    agents = {"dram": dram(), "mram": MRAM((3, 4, 4), CLASSES, hidden=12, joint=True)}
    seen = world().observe(world().open(some()), torch.zeros(6, 2), 0)
    found = {}
    for name, agent in agents.items():
        context = torch.rand(6, *COARSE) if name == "dram" else torch.zeros(6, 0)
        _, decision = agent.step(agent.start(context), seen)
        found[name] = (
            reached(agent, decision.logits.square().sum()),
            reached(agent, decision.location.mean.square().sum()),
            reached(agent, decision.value.sum()),
        )
    both = {"glimpse", "lower", "upper"}
    assert found["dram"] == (
        both - {"upper"} | {"classifier"},
        both | {"context", "emission"},
        {"critic"},
    )
    assert found["mram"] == (both | {"classifier"}, both - {"upper"} | {"locator"}, {"critic"})


def test_the_balance_scales_what_the_policy_teaches_below_the_emission() -> None:
    grads = []
    for balance in (1.0, 0.25):
        agent, where = dram(balance=balance), world(context="coarse")
        path = rollout(agent, where, some(), sample, torch.Generator().manual_seed(0))
        grads.append(gradients(agent, path.log_prob.sum()))
    for name, full in grads[0].items():
        if full is not None:
            factor = 1.0 if name.startswith("emission") else 0.25
            assert torch.allclose(grads[1][name], factor * full, rtol=1e-3, atol=1e-6), name
