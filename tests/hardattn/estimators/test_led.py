"""Looks that are led: whom they teach, where they fall, and who refuses them."""

import copy
import math
from pathlib import Path

import pytest
import torch
from torch import nn

from hardattn.agents import RAM
from hardattn.estimators import ESTIMATORS, refuse
from hardattn.estimators.led import SPREAD, Around, Led, boxed
from hardattn.scenes import Scenes
from hardattn.sensors import Retina, Zoom
from hardattn.tasks import Classify
from hardattn.training import loop
from hardattn.world import World
from tests.support.agents import SIDE, build
from tests.support.estimators import generator_of, make, points, three
from tests.support.training import Interrupted, learn, outcome, same

SCORES = ["reinforce", "learned_baseline", "per_look_gain", "leave_one_out", "ppo", "vimco"]


def gradient(agent: nn.Module, total: torch.Tensor) -> dict[str, torch.Tensor | None]:
    agent.zero_grad()
    total.backward()
    return {name: weight.grad for name, weight in agent.named_parameters()}


@pytest.mark.parametrize("by", ["random", "target"])
@pytest.mark.parametrize("name", SCORES)
def test_led_looks_teach_answers_and_no_policy(name: str, by: str) -> None:
    torch.manual_seed(0)
    world = World(Retina(2), Classify(3, each=True), 3)
    agent, scenes = RAM((1, 2, 2), 3, hidden=8, what=8, where=8, joint=True), three()
    estimator = make(name, agent, world)
    moved = gradient(agent, estimator(agent, world, scenes, generator_of(0)).total)
    assert moved["locator.weight"] is not None and moved["locator.weight"].abs().sum() > 0
    led = gradient(agent, estimator(Led(agent, scenes, by), world, scenes, generator_of(0)).total)
    assert all(led[f"locator.{each}"] is None for each in ("weight", "bias"))
    assert all(led[each] is not None for each in ("classifier.weight", "core.cell.input.weight"))


def test_guided_looks_fall_around_targets_and_random_ones_anywhere() -> None:
    """Of two targets, on both; never on one that is absent."""
    nan = torch.full((4,), torch.nan)
    left, right = torch.tensor([-0.8, -0.2, -0.4, 0.2]), torch.tensor([0.5, -0.2, 0.9, 0.2])
    box = torch.stack([torch.stack([left, nan]), torch.stack([left, right])])
    box = box.repeat_interleave(4000, 0)
    place = Around(box).draw(generator_of(0))
    assert torch.equal(place, Around(box).draw(generator_of(0)))
    one, two = place[:4000], place[4000:]
    assert (one.mean(0) - torch.tensor([-0.6, 0.0])).abs().max() < 0.02
    assert (one.std(0) - SPREAD).abs().max() < 0.02
    near = (two[:, 0] - 0.7).abs() < (two[:, 0] + 0.6).abs()
    assert 0.45 < near.double().mean() < 0.55
    assert (two[near].mean(0) - torch.tensor([0.7, 0.0])).abs().max() < 0.02

    agent, world = points()
    scenes = three().repeat(500)
    path = make("reinforce", agent, world)(
        Led(agent, scenes, "random"), world, scenes, generator_of(1)
    ).path
    drawn = path.location[1:].flatten(0, 1)
    assert drawn.abs().max() <= 1
    assert (drawn.mean(0).abs() < 0.05).all()
    assert ((drawn.std(0) - 3**-0.5).abs() < 0.03).all()


@pytest.mark.parametrize("by", ["random", "target"])
def test_on_a_grid_looks_are_led_to_cells(by: str) -> None:
    """Cells of all parts of the image alike; or those around the target, in the middle here."""
    agent, world = build("agent expected_information", 3)
    scenes = Scenes(
        torch.zeros(2000, 1, SIDE, SIDE, dtype=torch.uint8),
        torch.zeros(2000, dtype=torch.long),
        torch.tensor([-0.2, -0.2, 0.2, 0.2]).expand(2000, 1, 4),
        torch.arange(2000),
    )
    refuse("reinforce", agent, world, led=0.1)
    path = make("reinforce", agent, world)(
        Led(agent, scenes, by, world), world, scenes, generator_of(1)
    ).path
    share = path.location[1:].flatten(0, 1).mean(0)
    assert share.sum().item() == pytest.approx(1)
    if by == "random":
        assert (share - 1 / 9).abs().max() < 0.02
    else:  # a third of the image is 5 / 3 of the spread to each side of its middle
        assert share[4].item() == pytest.approx(math.erf(5 / 3 / 2**0.5) ** 2, abs=0.02)


def test_who_draws_in_its_own_way_is_not_led() -> None:
    agent, world = RAM((1, 2, 2), 3, hidden=4), World(Retina(2), Classify(3), 2)
    for name, row in ESTIMATORS.items():
        own = row.draws or row.pathwise or row.smooth or row.needs
        if own and not row.needs:
            with pytest.raises(ValueError, match="use led=0"):
                refuse(name, agent, world, led=0.1)
        elif name in SCORES:
            refuse(name, agent, world, led=0.1)
    zooming = World(Zoom(4), Classify(3), 2)
    with pytest.raises(ValueError, match=r"led to points alone, not to 3 numbers"):
        refuse("reinforce", agent, zooming, led=0.1)


def test_a_training_is_led_for_its_first_share_alone(tmp_path: Path) -> None:
    """The policy keeps its first weights that long, to the bit, and moves from then on."""
    kept: list[bool] = []
    start = None

    def watched(agent, world, scenes, generator):  # type: ignore[no-untyped-def]
        nonlocal start
        inner = agent.agent if isinstance(agent, Led) else agent
        start = start if start is not None else copy.deepcopy(inner.locator.state_dict())
        kept.append(same(dict(start), dict(inner.locator.state_dict())))
        return ESTIMATORS["learned_baseline"].make(agent, world, scenes, generator)

    learn(tmp_path, estimator=watched, led=0.5)
    first = kept.index(False)
    assert first == len(kept) // 2 + 1 and not any(kept[first:])


@pytest.mark.parametrize("by", ["random", "target"])
def test_a_training_that_is_led_resumes_exactly(tmp_path: Path, by: str) -> None:
    estimator = ESTIMATORS["learned_baseline"].make
    options = {"led": 0.5, "led_by": by}
    learn(tmp_path / "whole", estimator=estimator, **options)
    with pytest.raises(loop.Stopped):
        learn(tmp_path / "parts", estimator=Interrupted(estimator, 9), **options)
    learn(tmp_path / "parts", estimator=estimator, **options)
    assert same(outcome(tmp_path / "parts"), outcome(tmp_path / "whole"))


def test_nobody_is_led_to_what_has_no_place() -> None:
    scenes = three()
    boxed(scenes)
    image, target, box, *others = scenes
    nowhere = Scenes(image, target, torch.full_like(box, torch.nan), *others)
    with pytest.raises(ValueError, match="scenes without a box"):
        boxed(nowhere)
