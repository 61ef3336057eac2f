"""What is said on the way is paid for, beside the answer."""

from typing import Any

import pytest
import torch

from hardattn.agents import Dense, StackedHourglass
from hardattn.data import load
from hardattn.estimators import ESTIMATORS, refuse
from hardattn.estimators.instructed import instructed
from hardattn.problem import problem
from hardattn.scenes import Scenes
from hardattn.sensors import Whole
from hardattn.world import World
from tests.support.agents import build

IMAGE, SIDE = (1, 8, 8), 20


def asked(scene: str) -> tuple[World, Scenes]:
    data = load("digits")
    options: dict[str, Any] = {"canvas": SIDE, "spacing": 2, "looks": 1, "first": "centre"}
    made = problem(scene, Whole(), data.classes, IMAGE, **options, bonus=0.0)
    generator = torch.Generator().manual_seed(0)
    return made.world, made.make(data.train, torch.arange(6), generator)


@pytest.mark.parametrize("decoder", ["class_feature", "plain"])
def test_the_loss_is_that_of_the_answer_and_its_share_of_the_way(decoder: Any) -> None:
    world, scenes = asked("masks")
    torch.manual_seed(0)
    layout = world.task.layout
    agent = Dense((1, SIDE, SIDE), world.task.classes, layout=layout, decoder=decoder, width=8)
    agent.eval()
    totals = [instructed(agent, world, scenes, weight=weight).total for weight in (0.0, 0.5, 1.0)]
    assert torch.allclose(
        totals[0], ESTIMATORS["learned_baseline"].make(agent, world, scenes).total
    )
    way = totals[1] - totals[0]
    assert torch.allclose(totals[2] - totals[0], 2 * way, atol=1e-5)
    seen = world.observe(world.open(scenes), world.first(scenes), 0)
    _, _, said = agent.taught(agent.start(world.context(scenes)), seen)
    assert torch.allclose(way, 0.5 * agent.instructed(said, scenes.target).mean(), atol=1e-5)
    assert bool(way > 0) == (decoder != "plain")


def test_every_stack_but_the_last_is_supervised_as_the_answer_is() -> None:
    world, scenes = asked("keypoints")
    torch.manual_seed(0)
    layout = world.task.layout
    agent = StackedHourglass((1, SIDE, SIDE), world.task.classes, layout=layout, width=8, stacks=3)
    agent.eval()
    seen = world.observe(world.open(scenes), world.first(scenes), 0)
    _, decision, said = agent.taught(agent.start(world.context(scenes)), seen)
    assert len(said) == 3 and torch.equal(said[-1], decision.logits)
    final = torch.ones(1, len(scenes))
    wanted = sum(world.task(one[None], scenes.target, final, 1)[1][0] for one in said[:-1])
    assert torch.allclose(agent.instructed(said, scenes.target), wanted, atol=1e-5)


def test_who_says_nothing_on_the_way_is_refused() -> None:
    agent, world = build("agent das_net", looks=1)
    with pytest.raises(ValueError, match="answers on the way that can be supervised"):
        refuse("instructed", agent, world)
