"""Whether it mattered where soft looks over cells fell: their weights are a map, and replaced."""

import torch

from hardattn.experiments.measure import controlled, elsewhere
from hardattn.maps import foreign_map, mean_map
from hardattn.rollout import greedy, rollout, soft
from tests.support.agents import build, scenes

LOOKS = 2  # of which the first is the world's, so that one is chosen, from an image alone


def test_soft_looks_fall_where_those_of_a_control_do() -> None:
    agent, world = build("agent show_attend_tell", LOOKS)
    shown = scenes()
    with torch.no_grad():
        own = rollout(agent.eval(), world, shown, soft).location[1]
        foreign = rollout(agent, world, shown, elsewhere(foreign_map)).location[1]
        mean = rollout(agent, world, shown, elsewhere(mean_map)).location[1]
    assert own.std(0).max() > 0 and torch.equal(foreign, own.roll(1, 0))
    assert torch.allclose(mean, own.mean(0).expand_as(own))


def test_soft_looks_have_controls_and_hard_ones_have_none() -> None:
    agent, world = build("agent show_attend_tell", LOOKS)
    shown = scenes()
    assert set(controlled(agent.eval(), world, shown, soft)) == {"mean", "foreign"}
    assert controlled(agent, world, shown, greedy) == {}
