"""Soft, sequential, spatial, top-down attention: what it asks and what it reads."""

import math

import pytest
import torch

from hardattn.nn.layers import spatial_basis
from hardattn.rollout import rollout, soft
from tests.support.feature_attention import small, some


def test_the_basis_names_every_cell() -> None:
    basis = spatial_basis(3, 4, 2)
    assert basis.shape == (12, 16)
    assert torch.pdist(basis).min() > 0.1
    # cos and sin of each frequency: every row has the same length, u's times v's.
    assert torch.allclose(basis.pow(2).sum(1), torch.full((12,), 4.0), atol=1e-5)
    y, x = (1 + 0.5) / 3, (2 + 0.5) / 4
    wanted = math.cos(math.pi * y) * math.cos(2 * math.pi * x)
    assert basis[1 * 4 + 2, 0 * 4 + 1].item() == pytest.approx(wanted, abs=1e-6)


def test_asks_anew_at_every_look() -> None:
    """A core whose state is not kept would ask the same again and again."""
    agent, world = small("sequential", looks=5)
    with torch.no_grad():
        for weight in agent.query.parameters():
            weight.mul_(3)
    path = rollout(agent, world, some(), soft)
    moved = (path.location[2:] - path.location[1:-1]).abs().amax((1, 2))
    assert (moved > 1e-3).all()
    assert torch.allclose(path.location[1:].sum(-1), torch.ones(4, 6), atol=1e-5)


def test_answers_are_read_from_values_and_asked_by_keys() -> None:
    agent, world = small("sequential")
    scenes = some()
    state = agent.start(world.context(scenes))
    assert state.keys.shape == (6, 9, 4 + 16) and state.values.shape == (6, 9, 8 + 16)
    location = torch.softmax(torch.randn(6, 9), 1)
    after, decision = agent.step(state, world.observe(world.open(scenes), location, 1))
    z = torch.einsum("bn,bnd->bd", location, state.values)
    h = agent.core.output(agent.core(z, state.core))
    assert torch.allclose(decision.logits, agent.classifier(h), atol=1e-5)
    map_ = torch.einsum("bnd,bd->bn", state.keys, agent.query(h)).softmax(1)
    assert torch.allclose(decision.location.mean, map_, atol=1e-5)
    assert after.keys is state.keys and not torch.equal(after.core, state.core)
