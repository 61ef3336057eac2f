"""The harness: who looks at what, when an answer stands, and that nothing else changes a figure."""

import math
from functools import lru_cache, partial
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from hardattn import clustering
from hardattn.agents import RAM, SCRIPTS, FullView, Scripted
from hardattn.clustering import matched
from hardattn.data import load
from hardattn.distributions import Delta, Stop
from hardattn.evaluation import metrics
from hardattn.evaluation.evaluate import Columns, average, evaluate
from hardattn.evaluation.metrics import METRICS, compute, error
from hardattn.evaluation.swap import own_looks
from hardattn.experiments.studies.policy_gain.measure import followed
from hardattn.rollout import Decision, greedy, sample
from hardattn.scenes import Scenes, fixed_scenes, plain, translated
from hardattn.sensors import Retina, Whole
from hardattn.tasks import TASKS, Classify, Cluster, Sequence
from hardattn.viz.pictures import verdict
from hardattn.world import Observation, World
from tests.support.handmade import columns as handmade, looking

# Agents whose every step is written down.


class Written(nn.Module):
    """At look t it answers row t, decides on place t, and stops where row t says so."""

    def __init__(self, logits: Tensor, place: Tensor, stop: Tensor | None = None):
        super().__init__()
        self.logits, self.place, self.halts = logits, place, stop

    def start(self, context: Tensor) -> Tensor:
        return context.new_zeros(len(context), 0)

    def step(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
        row = round(seen.step[0].item() * len(self.logits))
        nought = torch.zeros_like(seen.step)
        halt = None if self.halts is None else Stop(1e4 * (self.halts[row] - 0.5))
        return state, Decision(Delta(self.place[row]), self.logits[row], nought, nought, halt)


def blank(count: int) -> Scenes:
    """Scenes whose target fills the quarter in the middle."""
    box = torch.tensor([-0.5, -0.5, 0.5, 0.5]).expand(count, 1, 4)
    image = torch.zeros(count, 1, 8, 8, dtype=torch.uint8)
    return Scenes(image, torch.arange(count) % 2, box, torch.arange(count) + 100)


def test_an_answer_stands_after_a_stop() -> None:
    """Three examples stop after look 1, 2 and never; the answers they would then give do not."""
    logits = torch.zeros(3, 3, 2)
    logits[0, :, 0] = logits[1, :, 1] = logits[2, :, 0] = 5.0
    stop = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 0]])
    agent = Written(logits, torch.zeros(3, 3, 2), stop)
    world = World(Retina(2), Classify(2), 3, first="centre")
    found = evaluate(agent, world, blank(3))
    assert found.looks.tolist() == [1, 2, 3]
    assert found.prediction.tolist() == [[0, 0, 0], [0, 1, 1], [0, 1, 0]]
    assert found.hit.tolist() == [[True, False, False], [True, True, False], [True, True, True]]
    assert METRICS["hit"](found) == 1.0  # of looks that were taken
    assert found.target.tolist() == [0, 1, 0] and found.index.tolist() == [100, 101, 102]


def test_the_border_of_a_box_is_inside() -> None:
    beyond = math.nextafter(0.5, 1) + 1e-7
    places = [[0.5, -0.5], [-0.5, 0.5], [beyond, 0.0], [0.0, -beyond], [7.0, 0.0], [math.nan, 0.1]]
    place = torch.tensor(places)[None].expand(2, -1, -1)
    world = World(Retina(2), Classify(2), 2, first="centre")
    found = evaluate(Written(torch.zeros(2, 6, 2), place), world, blank(6))
    assert found.hit[:, 1].tolist() == [True, True, False, False, False, True]
    # Where a look fell, not what was asked for: at the edge, and in the middle for no number.
    assert found.location[4, 1].tolist() == [1, 0]
    assert found.location[5, 1].tolist() == pytest.approx([0, 0.1])


def test_one_look_was_chosen_by_nobody() -> None:
    world = World(Retina(2), Classify(2), 1)
    found = compute(evaluate(Written(torch.zeros(1, 5, 2), torch.zeros(1, 5, 2)), world, blank(5)))
    assert found["hit"] is found["spread"] is found["entropy"] is None
    assert found["looks"] == 1 and len(found["error_after"]) == 1  # type: ignore[arg-type]


class Reading(nn.Module):
    """Answers the number that the image is grey with, and looks at its middle."""

    def start(self, context: Tensor) -> Tensor:
        return context.new_zeros(len(context), 0)

    def step(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
        number = (255 * seen.glimpse.flatten(1)[:, 0]).round().long()
        nought = torch.zeros_like(seen.step)
        logits = 5.0 * nn.functional.one_hot(number, 3).float()
        return state, Decision(Delta(torch.zeros_like(seen.location)), logits, nought, nought)


def test_clusters_are_named_over_all_scenes_whoever_asks_and_however_they_are_dealt() -> None:
    """By `evaluate`, with no help of the caller, and by all that look as it does."""
    target, agent = torch.arange(90) % 3, Reading()
    wrong = torch.rand(90, generator=torch.Generator().manual_seed(0)) < 0.4
    cluster = (target + 1 + wrong.long()) % 3
    image = cluster.to(torch.uint8)[:, None, None, None].expand(-1, 1, 8, 8)
    scenes = Scenes(image, target, *blank(90)[2:])
    world, classes = (
        World(Retina(2), task, 2, first="centre") for task in (Cluster(3), Classify(3))
    )
    said = evaluate(agent, classes, scenes)
    assert torch.equal(said.prediction[:, -1], cluster) and error(said) > 0.5
    found = [evaluate(agent, world, scenes, batch=batch) for batch in (90, 30, 7)]
    found += [own_looks(agent, world, scenes).columns]
    path = own_looks(agent, world, scenes).place
    found += [followed(agent, world, scenes, path, greedy, batch=batch) for batch in (90, 30, 7)]
    for one in found:
        assert error(one) == pytest.approx(wrong.double().mean().item())
        assert torch.equal(one.log_probability, matched(said).log_probability)


@pytest.mark.parametrize("name", [name for name in TASKS if name not in ("cluster", "questions")])
def test_every_other_task_has_nothing_to_finish(name: str) -> None:
    world = World(Retina(2), TASKS[name](5 if name == "find" else 4), 2, first="centre")
    scenes = blank(4)
    if name == "sequence":
        scenes = Scenes(scenes.image, torch.tensor([[0, 3]]).expand(4, -1), *scenes[2:])
    agent = Written(torch.randn(2, 4, 4), torch.zeros(2, 4, 2))
    found = evaluate(agent, world, scenes)
    assert world.task.finish(found) is found
    wanted = agent.logits.log_softmax(-1).transpose(0, 1)
    assert torch.equal(found.log_probability, wanted)


# Real agents on real scenes.


@lru_cache
def scenes(canvas: int = 16) -> Scenes:
    data = load("digits")
    return fixed_scenes(partial(translated, canvas=canvas), data.test, 3).slice(0, 60)


def looker(script: str | None = None, looks: int = 4, **world: Any) -> tuple[Any, World]:
    torch.manual_seed(0)
    agent: Any = RAM((2, 4, 4), 10, core="gru", hidden=16, what=16, where=16, std=0.3)
    with torch.no_grad():
        agent.locator.weight *= 20  # so that looks depend on what was seen
    if script is not None:
        agent = Scripted(agent, script, looks)
    return agent, World(Retina(4, 2), Classify(10, each=True), looks, **world)


def alike(left: Columns, right: Columns) -> bool:
    """Equal but for the order in which numbers were added."""
    return all(torch.allclose(*pair, atol=1e-5) for pair in zip(left, right, strict=True))


@pytest.mark.parametrize("script", [None, "centre", "raster"])
def test_the_batch_size_changes_nothing(script: str | None) -> None:
    agent, world = looker(script)
    whole = evaluate(agent, world, scenes())
    assert len(whole.target) == 60 and torch.equal(whole.target, scenes().target)
    for batch in (1, 7, 59, 60):
        assert alike(evaluate(agent, world, scenes(), batch=batch), whole)


def test_the_batch_size_changes_nothing_for_whole_images() -> None:
    torch.manual_seed(0)
    agent, world = FullView((1, 16, 16), 10), World(Whole(), Classify(10), 1, first="centre")
    whole = evaluate(agent, world, scenes())
    for batch in (1, 7):
        part = evaluate(agent, world, scenes(), batch=batch)
        assert torch.allclose(part.log_probability, whole.log_probability, atol=1e-5)
    assert whole.location.isnan().all() and not whole.hit.any()
    found = compute(whole)
    assert found["hit"] is found["spread"] is found["entropy"] is None


def test_all_share_the_first_looks() -> None:
    first = [
        evaluate(*looker(script), scenes(), draw, batch=batch).location[:, 0]
        for script in (None, "random", "raster")
        for draw in (greedy, sample)
        for batch in (1000, 7)
    ]
    agent, world = looker()
    assert all(torch.equal(each, first[0]) for each in first)
    other = evaluate(agent, world, scenes(), seed=1).location[:, 0]
    assert not torch.equal(other, first[0])
    assert torch.equal(first[0], world.first(scenes(), torch.Generator().manual_seed(0)))


@pytest.mark.gpu
def test_devices_share_the_first_looks() -> None:
    agent, world = looker()
    here = evaluate(agent, world, scenes())
    there = evaluate(agent.to("cuda"), world, scenes().to("cuda"))
    assert torch.equal(here.location[:, 0], there.location[:, 0])
    assert torch.allclose(here.log_probability, there.log_probability, atol=1e-3)


def test_leaves_the_agent_and_the_world_as_they_were() -> None:
    agent, world = looker()
    weights = {name: weight.clone() for name, weight in agent.state_dict().items()}
    state = torch.get_rng_state()
    for training in (True, False):
        agent.train(training)
        found = evaluate(agent, world, scenes(), sample)
        assert all(part.training == training for part in agent.modules())
        assert not any(column.requires_grad for column in found)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.is_grad_enabled()
    for name, weight in agent.state_dict().items():
        assert torch.equal(weight, weights[name])
    assert all(weight.grad is None for weight in agent.parameters())


def test_looks_in_evaluation_mode_and_learns_nothing_of_it() -> None:
    torch.manual_seed(0)
    agent, world = FullView((1, 16, 16), 10), World(Whole(), Classify(10), 1, first="centre")
    agent.train()
    before = {name: each.clone() for name, each in agent.state_dict().items()}
    evaluate(agent, world, scenes())
    assert agent.training
    assert all(torch.equal(each, before[name]) for name, each in agent.state_dict().items())


def test_a_failing_agent_is_left_in_its_mode_too() -> None:
    agent, world = looker("oracle")  # which this world tells nothing
    agent.train()
    with pytest.raises(ValueError, match="oracle"):
        evaluate(agent, world, scenes())
    assert agent.training


def test_sampled_is_not_greedy_and_depends_on_its_seed_alone() -> None:
    agent, world = looker()
    certain = evaluate(agent, world, scenes())
    sampled = evaluate(agent, world, scenes(), sample)
    torch.manual_seed(5)
    assert torch.equal(evaluate(agent, world, scenes(), sample).location, sampled.location)
    assert not torch.equal(certain.location[:, 1:], sampled.location[:, 1:])
    off = (sampled.location - certain.location)[:, 1].abs()
    assert 0.05 < off.mean() < 0.5  # of a standard deviation of 0.3, cut at the edges


def test_average_is_the_mean_probability() -> None:
    agent, world = looker()
    passes = [evaluate(agent, world, scenes(), sample, seed) for seed in range(3)]
    found = average(passes)
    mean = torch.stack([one.log_probability.exp() for one in passes]).mean(0)
    assert torch.allclose(found.log_probability.exp(), mean, atol=1e-6)
    assert torch.equal(found.location, passes[0].location)
    one = average(passes[:1])
    assert torch.allclose(one.log_probability, passes[0].log_probability)


# Scripts look where they say.


def test_the_oracle_always_hits() -> None:
    found = compute(evaluate(*looker("oracle", context="target", first="target"), scenes()))
    assert found["hit"] == 1.0


def test_the_centre_is_always_the_centre() -> None:
    found = evaluate(*looker("centre"), scenes())
    assert (found.location[:, 1:] == 0).all() and compute(found)["spread"] == 0


@pytest.mark.parametrize("looks", range(2, 13))
def test_raster_visits_a_cell_a_look(looks: int) -> None:
    columns = math.ceil(math.sqrt(looks))
    rows = math.ceil(looks / columns)
    found = evaluate(*looker("raster", looks), scenes().slice(0, 2)).location[:, 1:]
    wanted = [
        [(t % columns + 0.5) / columns * 2 - 1, (t // columns + 0.5) / rows * 2 - 1]
        for t in range(1, looks)
    ]
    assert torch.allclose(found, torch.tensor(wanted).expand(2, -1, -1), atol=1e-6)
    assert len({tuple(each) for each in wanted}) == looks - 1


def test_a_random_look_is_not_the_first_again() -> None:
    """Its draws and the world's first looks come from one seed, but not from one stream."""
    agent, world = looker("random")
    place = evaluate(agent, world, scenes()).location
    for one in range(place.shape[1]):
        for other in range(one):
            assert (place[:, one] - place[:, other]).norm(dim=1).min() > 0


def test_random_is_uniform() -> None:
    many = fixed_scenes(plain, load("digits").train, 0)
    found = evaluate(*looker("random"), many).location[:, 1:].flatten(0, 1)
    assert len(found) > 3000
    cells = ((found + 1) * 4).long().clamp(max=7)
    counts = torch.bincount(cells[:, 0] * 8 + cells[:, 1], minlength=64)
    assert stats.chisquare(counts.numpy()).pvalue > 1e-4
    assert METRICS["spread"](evaluate(*looker("random"), many)) == pytest.approx(
        math.sqrt(1 / 3), abs=0.02
    )
    assert set(SCRIPTS) == {"random", "centre", "raster", "oracle"}  # each is looked at above


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_what_is_no_number_is_no_answer(broken: float) -> None:
    """Half of the answers are not finite, in one class or in all: right by no target."""
    logits = torch.randn(8, 2, 4, generator=torch.Generator().manual_seed(0))
    answer = logits[:, -1].argmax(-1)
    logits[:2, :, 1], logits[2:4] = broken, broken
    wanted = torch.arange(8) >= 4
    for target in (answer, torch.zeros(8, dtype=torch.int64), torch.ones(8, dtype=torch.int64)):
        found = looking(torch.zeros(8, 2, 2))._replace(
            log_probability=logits.log_softmax(-1), target=target
        )
        assert torch.equal(found.correct[:, -1], wanted & (target == answer))
        assert (found.prediction[:4] == -1).all() and (found.confidence[:4] == 0).all()
        assert metrics.error(found) == 1 - (wanted & (target == answer)).double().mean()
        assert clustering.table(found).sum() == 4
        final = torch.tensor([0.0, 1.0])[:, None].expand(2, 8)
        reward = Classify(4, bonus=1.0).reward(logits.transpose(0, 1), target, final, 2)
        assert torch.equal(reward[-1] > 0, found.correct[:, -1])


def test_of_a_sequence_all_is_wrong_from_no_number_on() -> None:
    target = torch.tensor([[1, 2, 3], [0, 3, -1]])
    logits = 9 * torch.nn.functional.one_hot(target.clamp_min(0), 4).double()
    logits[0, 1] = math.nan  # the second symbol of the first
    logits[1, 2] = math.nan  # where nothing is asked any more
    found = looking(torch.zeros(2, 3, 2))._replace(
        log_probability=logits.log_softmax(-1), target=target
    )
    assert found.correct.tolist() == [[True, False, False], [True, True, True]]
    assert found.confidence[0, 1:].tolist() == [0, 0] and found.confidence[1, -1] > 0.9
    final = torch.tensor([0.0, 0, 1])[:, None].expand(3, 2)
    reward = Sequence(4).reward(logits.transpose(0, 1), target, final, 3)
    assert reward.T.tolist() == [[1, 0, 0], [1, 1, 0]]
    named = [verdict(found.answer[0], target[0], "abcd"), verdict(-1, 2, "abcd")]
    assert named == ["b no number, is b c", "no number, is c"]


def test_the_surest_are_not_those_without_an_answer() -> None:
    """A confidence of NaN was sorted before all others: risk at low coverage was theirs."""
    found = handmade()
    broken = found._replace(log_probability=found.log_probability.clone())
    broken.log_probability[3] = math.nan  # wrong as it is
    assert metrics.error(broken) == metrics.error(found)
    assert metrics.risk_coverage(broken).risk[0] == 0
    assert math.isfinite(metrics.ece(broken)) and math.isfinite(metrics.aurc(broken))
