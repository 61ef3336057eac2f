"""What to find is told beside what is seen, to any agent in one way."""

import torch

from hardattn.agents import RAM, Scripted, Told
from hardattn.agents.told import PLANES, inner, planed
from hardattn.data import load
from hardattn.evaluation.evaluate import evaluate
from hardattn.problem import Problem, problem
from hardattn.rollout import rollout
from hardattn.scenes import Scenes
from hardattn.sensors import Retina
from hardattn.world import with_cue


def searching(context: str = "none", told: bool = True) -> tuple[Problem, Scenes]:
    split = load("digits").train
    settings = {"canvas": 48, "zoom": 2, "looks": 3, "each": True, "bonus": 0.0}
    names = tuple("0123456789")
    found = problem("search", Retina(6, 3), names, (1, 8, 8), told, context=context, **settings)
    return found, found.make(split, torch.arange(20), torch.Generator().manual_seed(0))


def test_a_cue_comes_before_the_context_as_numbers_or_planes() -> None:
    cue = torch.eye(3)[:2]
    assert torch.equal(with_cue(torch.zeros(2, 0), cue), cue)
    pictures = with_cue(torch.full((2, 1, 4, 5), 7.0), cue)
    assert pictures.shape == (2, 4, 4, 5) and (pictures[:, 3] == 7).all()
    assert torch.equal(pictures[:, :3, 2, 3], cue)
    for context, shape, left in (
        ("none", (10,), (0,)),
        ("target", (12,), (2,)),
        ("coarse", (11, 12, 12), (1 + PLANES, 12, 12)),
    ):
        (world, _, _), scenes = searching(context)
        assert world.context_shape((1, 48, 48)) == shape == world.context(scenes).shape[1:]
        assert inner(shape, 10) == left
    (world, _, _), scenes = searching(told=False)
    assert world.context(scenes).shape == (20, 0)
    assert inner((3,), 0) == (3,)


def test_what_is_asked_changes_the_answer_and_can_be_learned() -> None:
    (world, _, _), scenes = searching()
    torch.manual_seed(0)
    agent = Told(RAM(planed(world.sensor.shape((1, 48, 48))), 9, hidden=16), world.cues)
    other = Scenes(scenes.picture, scenes.target, scenes.box, scenes.index, scenes.cue.roll(1, 1))
    mine, theirs = (evaluate(agent, world, each).log_probability for each in (scenes, other))
    assert not torch.allclose(mine, theirs)
    rollout(agent, world, scenes).loss.sum().backward()
    assert agent.embed.weight.grad is not None and agent.embed.weight.grad.abs().sum() > 0


def test_an_oracle_is_told_both_what_and_where() -> None:
    (world, _, _), scenes = searching("target")
    observer = RAM(planed(world.sensor.shape((1, 48, 48))), 9, hidden=16)
    agent = Told(Scripted(observer, "oracle", world.looks), world.cues)
    found = evaluate(agent, world, scenes)
    assert found.hit[:, 1:].all()


def test_how_much_of_the_training_is_over_is_passed_on() -> None:
    ram = RAM((5, 6, 6), 9, hidden=16, std=0.2, std_end=0.1)
    Told(ram, 10).anneal(1.0)
    assert float(ram.std) == 0.1 or abs(float(ram.std) - 0.1) < 1e-6
