"""An example of what to find stands beside what is seen, for hard agents as they are."""

import pytest
import torch

from hardattn.agents import RAM, Told
from hardattn.agents.told import inner, planed
from hardattn.data import load
from hardattn.evaluation.evaluate import evaluate
from hardattn.experiments import build
from hardattn.experiments.recipe import ProblemOptions, Spec
from hardattn.problem import Problem
from hardattn.rollout import rollout
from hardattn.scenes import Scenes
from hardattn.world import Observation

IMAGE = (1, 48, 48)


def asking(context: str = "none", first: str = "centre") -> tuple[Problem, Scenes]:
    digits = load("digits")
    given = ProblemOptions(
        scene=Spec("query", canvas=48, zoom=2),
        sensor=Spec("retina", size=8, scales=2),
        looks=3,
        first=first,
        context=context,
    )
    one = build.built(given, digits.classes, (1, 8, 8))
    return one, one.make(digits.train, torch.arange(24), torch.Generator().manual_seed(0))


def test_a_picture_takes_a_plane_for_each_of_its_channels() -> None:
    assert planed((6, 5, 5), (3, 8, 8)) == (9, 5, 5) and planed((6, 5, 5), (10,)) == (8, 5, 5)
    assert inner((64,), (1, 8, 8)) == (0,) and inner((66,), (1, 8, 8)) == (2,)
    assert inner((65, 12, 12), (1, 8, 8)) == (2, 12, 12)


def test_the_example_is_shown_as_it_is_and_as_large_as_a_glimpse() -> None:
    class Keeps(RAM):
        seen: Observation

        def step(self, state, seen):  # type: ignore[no-untyped-def]
            Keeps.seen = seen
            return super().step(state, seen)

    one, scenes = asking()
    agent = Told(Keeps((3, 8, 8), 17, hidden=8), one.world.cue_shape)
    assert sum(weight.numel() for weight in agent.parameters()) == sum(
        weight.numel() for weight in agent.agent.parameters()
    )
    rollout(agent, one.world, scenes)
    glimpse = Keeps.seen.glimpse
    assert glimpse.shape == (24, 3, 8, 8)
    assert torch.allclose(glimpse[:, 2].flatten(1), scenes.cue, atol=1e-6)


@pytest.mark.parametrize(
    "spec, context",
    [
        (Spec("ram", hidden=16), "none"),
        (Spec("glance_focus", hidden=16, features=8), "coarse"),
        (Spec("dram", hidden=16, features=8, filters=4), "coarse"),
    ],
)
def test_hard_agents_are_told_by_example_and_learn_from_it(spec: Spec, context: str) -> None:
    one, scenes = asking(context)
    torch.manual_seed(0)
    agent = build.agent(spec, one.world.sensor.shape(IMAGE), one.world, IMAGE)
    other = Scenes(*scenes[:4], scenes.cue.roll(1, 0))
    mine, theirs = (evaluate(agent, one.world, each).log_probability for each in (scenes, other))
    assert mine.shape == (24, 3, 17) and not torch.allclose(mine, theirs)
    rollout(agent, one.world, scenes).loss.sum().backward()
    assert any(w.grad is not None and w.grad.abs().sum() > 0 for w in agent.parameters())


def test_an_oracle_finds_what_is_there_and_looks_at_the_centre_where_nothing_is() -> None:
    one, scenes = asking("target", "target")
    torch.manual_seed(0)
    spec = Spec("ram", hidden=16, script="oracle")
    agent = build.agent(spec, one.world.sensor.shape(IMAGE), one.world, IMAGE)
    found = evaluate(agent, one.world, scenes)
    missing = scenes.target == 16
    assert 0 < missing.sum() < 24
    assert found.hit[~missing].all() and (found.location[missing] == 0).all()
