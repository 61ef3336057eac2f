"""TwoLevel: its proposals, filter, detectors and levels; and that it learns where to look."""

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from hardattn.agents import TwoLevel
from hardattn.estimators.base_first import BaseFirst
from hardattn.sensors import Several
from tests.support.agents import build, scenes
from tests.support.selection import Patchwork


@pytest.mark.parametrize("side", [None, 3, 6])
@pytest.mark.parametrize("cells", [3, 4])
def test_proposals_are_what_the_sensor_shows(side: int | None, cells: int) -> None:
    sensor = Several(cells, cells, cells**2, side)
    agent = TwoLevel(
        sensor.shape((1, 12, 12)), 4, context=(1, 12, 12), grid=(cells, cells), filters=2
    )
    image = scenes().image
    every = torch.eye(cells**2).flatten().expand(len(image), -1)
    seen = sensor.look(sensor.open(image), every)
    assert torch.equal(seen, agent.proposals(image / 255.0))


def test_filters_alike_in_direction_detect_one_part() -> None:
    """In any order, and however strong they are."""
    agent, _ = build("agent two_level")
    generator = torch.Generator().manual_seed(0)
    weight = agent.base.filters
    kinds = torch.randn(2, *weight.shape[1:], generator=generator)
    which = torch.tensor([0, 1, 1, 0])
    strength = torch.tensor([0.5, 1.0, 2.0, 1.0])[:, None, None, None]
    noise = 0.1 * torch.randn(weight.shape, generator=generator)
    with torch.no_grad():
        weight.copy_(strength * (kinds[which] + noise))
    agent.settle()
    found = agent.group.argmax(1)
    assert torch.equal(found[:, None] == found, which[:, None] == which)


def test_the_filter_and_the_detectors_choose_by_what_the_base_says() -> None:
    agent, world = build("agent two_level")
    image = world.context(scenes())
    excited, _, votes = agent.base(agent.proposals(image))
    chosen = agent.start(image)
    slots = chosen.places.view(12, 3, 9)
    score = votes.exp().sum(2).log()
    assert torch.allclose(chosen.logits, votes.exp().sum(1).log(), atol=1e-5)
    assert (slots.sum(2) == 1).all()  # blank proposals are as good as each other
    assert torch.allclose((slots[:, 0] * score).sum(1), score.amax(1), atol=1e-5)
    through = score >= score.mean(1, keepdim=True)
    for part, filters in enumerate(((0, 1), (2, 3))):
        detected = excited[..., filters].sum(2).masked_fill(~through, -1.0)
        assert torch.allclose((slots[:, 1 + part] * detected).sum(1), detected.amax(1), atol=1e-5)


def test_the_second_net_begins_as_the_base_and_both_levels_count() -> None:
    agent, world = build("agent two_level")
    agent.settle()
    patches = agent.proposals(world.context(scenes()))[:, :3]
    _, features, votes = agent.base(patches)
    objects = votes[:, 0].log_softmax(1)
    parts = agent.of_parts(features[:, 1:].flatten(1)).log_softmax(1)
    assert torch.allclose(agent.answer(patches), objects + parts, atol=1e-5)
    assert torch.equal(agent.group.sum(1), torch.ones(4)) and agent.group.sum(0).min() > 0


@pytest.mark.parametrize("parts", [0, 3])
def test_each_level_answers_alone(parts: int) -> None:
    sensor, torch_size = Several(3, 3, 3), (1, 12, 12)
    agent = TwoLevel(
        sensor.shape(torch_size), 10, context=torch_size, grid=(3, 3), parts=parts, filters=4
    )
    agent.settle()
    patches = agent.proposals(scenes().image / 255.0)[:, :3]
    answer = agent.answer(patches).exp()
    assert agent.fuse is None and torch.allclose(answer.sum(1), torch.ones(12), atol=1e-5)
    if parts == 0:
        _, _, votes = agent.base(patches)
        assert torch.allclose(answer, F.softmax(votes, 2).mean(1), atol=1e-5)


def test_what_does_not_fit_is_refused() -> None:
    given: dict[str, Any] = dict(grid=(3, 3))
    with pytest.raises(ValueError, match="choose the sensor 'several' and the context 'whole'"):
        TwoLevel((1, 4, 4), 10, context=(1, 12, 12), **given)
    with pytest.raises(ValueError, match="0 or more show parts, not 4"):
        TwoLevel((3, 1, 4, 4), 10, context=(1, 12, 12), parts=4, **given)


LESSON = Patchwork(
    TwoLevel,
    dict(context=(1, 16, 16), grid=(4, 4), filters=8, features=16),
    sensor=Several(4, 4, 3, 6),
    context="whole",
    updates=120,
    batch=32,
)


def test_learns_what_random_proposals_do_not() -> None:
    """Seed 0: nothing is wrong, and 20 % of what the same observer says of proposals anywhere."""
    learned = LESSON.learned(BaseFirst(LESSON._agent(0), LESSON.world, base=60))
    wrong = (~learned.correct[:, -1]).float().mean()
    anywhere = (~LESSON.controlled().correct[:, -1]).float().mean()
    assert wrong < 0.04 and anywhere > 0.12
