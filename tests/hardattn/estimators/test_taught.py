"""Teacher forcing: the true words in training, and in nothing else."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from hardattn.agents import AGENTS, RAM, Scripted
from hardattn.data import load
from hardattn.envs import GlimpseVectorEnv
from hardattn.estimators import taught as taught_file
from hardattn.estimators.score_function import reinforce
from hardattn.estimators.taught import Taught, taught
from hardattn.evaluation.evaluate import evaluate
from hardattn.nn.words import Said
from hardattn.problem import Problem
from hardattn.rollout import rollout
from hardattn.scenes import Scenes, captions, fixed_scenes
from hardattn.sensors import Retina
from hardattn.tasks import Classify, Sequence
from hardattn.training.loop import Training
from hardattn.training.options import TrainOptions
from hardattn.world import World

MAKE = partial(captions, canvas=32, across=2)


def some(count: int = 8) -> Scenes:
    return fixed_scenes(MAKE, load("digits").test, seed=0).slice(0, count)


def speaker(each: int = 1, script: str | None = None) -> tuple[Any, World]:
    torch.manual_seed(0)
    world = World(Retina(4), Sequence(16, bonus=0.0), 10 * each, first="centre")
    agent = AGENTS["ram_captioner"].make((1, 4, 4), 16, looks=10 * each, each=each, hidden=8)
    return (Scripted(agent, script, 10 * each) if script else agent), world


def fed(agent: Any, world: World, scenes: Scenes) -> list[Tensor]:
    """What an agent was fed at each look."""
    found: list[Tensor] = []

    def note(module: Any, given: tuple[Said], made: Tensor) -> None:
        found.append(given[0].word)

    inner = next(part for part in agent.modules() if type(part).__name__ == "Words")
    handle = inner.register_forward_hook(note)
    rollout(agent, world, scenes, generator=torch.Generator().manual_seed(0))
    handle.remove()
    return found


@pytest.mark.parametrize("each, script", [(1, None), (2, None), (1, "random")])
def test_who_is_taught_is_fed_the_word_before(each: int, script: str | None) -> None:
    agent, world = speaker(each, script)
    scenes = some()
    words = fed(taught(agent, world, scenes), world, scenes)
    silence = torch.full((8,), 16)
    ended = torch.where(scenes.target < 0, 15, scenes.target)
    wanted = [silence, *ended.T][:10]
    for look, word in enumerate(words):
        assert torch.equal(word, wanted[look // each]), look


def test_who_is_not_is_fed_its_own() -> None:
    agent, world = speaker()
    scenes = some()
    words = fed(agent, world, scenes)
    path = rollout(agent, world, scenes, generator=torch.Generator().manual_seed(0))
    assert all(torch.equal(*pair) for pair in zip(words[1:], path.logits.argmax(-1), strict=False))


def test_a_word_is_told_after_it_was_asked_for() -> None:
    """What is answered at a look does not depend on the word that is asked there, nor on later."""
    agent, world = speaker()
    scenes = some()
    found = []
    for target in (scenes.target, scenes.target.clone()):
        if found:
            target[:, 4:] = (target[:, 4:] + 1).clamp(0, 15)
        told = Taught(agent, target, world)
        found.append(rollout(told, world, scenes, generator=torch.Generator().manual_seed(0)))
    same = (found[0].logits == found[1].logits).all(-1).all(-1)
    assert same.tolist() == [True] * 5 + [False] * 5


def test_episodes_that_branch_are_each_told_of_their_own_scene() -> None:
    agent, world = speaker()
    scenes = some(2)

    def twice(places: Any, generator: Any) -> tuple[Tensor, Tensor]:
        place = places.draw(generator)
        place = place.repeat_interleave(2, 0) if len(place) == 2 else place
        return place, torch.zeros(len(place))

    told = taught(agent, world, scenes)
    with torch.no_grad():
        path = rollout(told, world, scenes, twice)
    assert path.logits.shape[1] == 4


def test_evaluation_never_sees_the_target(monkeypatch: pytest.MonkeyPatch) -> None:
    """With other sentences it says the same, in the harness and in an environment."""
    agent, world = speaker()
    scenes = some()

    def forbidden(*_: Any) -> None:
        raise AssertionError("somebody is taught outside of training")

    monkeypatch.setattr(taught_file.Taught, "__init__", forbidden)
    found = evaluate(agent, world, scenes)
    flipped = scenes.target.flip(0), scenes.box, scenes.index, scenes.cue, scenes.named.flip(0)
    other = Scenes(scenes.picture, *flipped)
    again = evaluate(agent, world, other)
    assert torch.equal(found.log_probability, again.log_probability)
    env = GlimpseVectorEnv("DigitsCaptions", num_envs=2, canvas=32, across=2)
    seen, _ = env.reset(seed=0)
    assert set(seen) == {"glimpse", "location", "step"}


def test_training_teaches_and_does_not_validate_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    agent, world = speaker()
    made: list[Taught] = []
    first = Taught.__init__

    def noted(self: Taught, *given: Any) -> None:
        made.append(self)
        first(self, *given)

    monkeypatch.setattr(taught_file.Taught, "__init__", noted)
    problem = Problem(world, MAKE, tuple("0123456789abcdef"))
    options = TrainOptions(images=16, batch_size=8)
    training = Training(agent, problem, reinforce, load("digits"), tmp_path, options, seed=0)
    training.update()
    assert len(made) == 1
    evaluate(agent, world, some())
    assert len(made) == 1


def test_where_no_sentence_is_asked_nobody_is_taught() -> None:
    plain = Scenes(*some()[:-1])
    world, agent = World(Retina(4), Classify(10), 3), RAM((1, 4, 4), 10)
    assert taught(agent, world, plain) is agent
