"""A world that ends early is the same world until then."""

import pytest
import torch

from hardattn.rollout import rollout, sample
from hardattn.scenes import Scenes
from tests.support.estimators import generator_of, points, three


@pytest.fixture
def scenes() -> Scenes:
    return three()


def test_a_world_cut_short_shows_the_same_first_looks(scenes: Scenes) -> None:
    agent, world = points()
    copies = scenes.repeat(20)
    whole, part, faster = (
        rollout(agent, each, copies, sample, generator_of(0))
        for each in (world, world.upto(2), points(looks=2)[1])
    )
    for field in ("location", "log_prob", "entropy", "logits", "value", "cost"):
        assert torch.equal(getattr(part, field), getattr(whole, field)[:2]), field
    # What is asked is asked within two looks, not three.
    assert torch.allclose(part.loss, whole.loss[:2] * 3 / 2)
    assert torch.equal(faster.logits[0], part.logits[0])
    assert not torch.allclose(faster.logits[1], part.logits[1])  # this agent reads the clock
    for looks in (0, 4):
        with pytest.raises(ValueError, match=f"of 3 looks cannot end after {looks}"):
            world.upto(looks)
