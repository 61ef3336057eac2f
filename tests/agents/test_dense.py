"""Networks that answer at every place: how maps become answers, and that they learn."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from hardattn.agents import Dense, MultiContextStack, StackedHourglass
from hardattn.agents.dense import Maps
from hardattn.agents.soft import CNN
from hardattn.attention import BLOCKS
from hardattn.blocks.multi_context import mean_field
from hardattn.data import load
from hardattn.estimators import ESTIMATORS
from hardattn.evaluation.evaluate import evaluate
from hardattn.evaluation.metrics import METRICS
from hardattn.maps import recorded
from hardattn.problem import Problem, problem
from hardattn.scenes import fixed_scenes
from hardattn.sensors import Whole
from hardattn.tasks import Questions, apart

SIDE = 20


def asked(scene: str, **settings: Any) -> Problem:
    options: dict[str, Any] = {"canvas": SIDE, "looks": 1, "first": "centre", "bonus": 0.0}
    return problem(scene, Whole(), load("digits").classes, (1, 8, 8), **options | settings)


def test_maps_are_answers_by_place_or_by_point() -> None:
    maps = torch.randn(2, 3, 4, 5)
    mask = Questions(60, 3, asked_at=(4, 5))
    made = Maps(60, mask.layout)
    assert (made.masks, made.count, made.size) == (True, 3, (4, 5))
    assert torch.equal(apart(made.logits(maps), mask), maps.movedim(1, 3).flatten(1, 2))
    assert made.truth(torch.arange(40).view(2, 20))[1, 0, 1] == 21
    points = Questions(60, 20, answered_at=(4, 5))
    made = Maps(60, points.layout)
    assert torch.equal(apart(made.logits(maps), points), maps.flatten(2))
    assert made.logits(torch.randn(2, 3, 2, 3)).shape == (2, 60)  # enlarged
    with pytest.raises(ValueError, match="not key points"):
        made.truth(torch.zeros(2, 3))
    with pytest.raises(ValueError, match="needs a task that lays them out"):
        Maps(60, ())


def test_features_on_the_way_are_those_of_the_classifier() -> None:
    torch.manual_seed(0)
    net, image = CNN((1, SIDE, SIDE), 8, 8).eval(), torch.rand(2, 1, SIDE, SIDE)
    fine = net.fine(image)
    assert fine.shape == (2, 4, 10, 10) and torch.equal(net.deep(fine), net(image))


def test_it_starts_alike_with_a_block_and_without_and_the_block_has_its_map() -> None:
    world = asked("masks").world
    given: dict[str, Any] = dict(layout=world.task.layout, width=8)
    nets = []
    for block in (None, BLOCKS["criss_cross"].make):
        torch.manual_seed(0)
        options = given if block is None else given | {"block": block}
        nets.append(Dense((1, SIDE, SIDE), world.task.classes, **options).eval())
    plain, attending = nets
    for name, weight in plain.named_parameters():
        assert torch.equal(weight, attending.get_parameter(name)), name
    scenes = fixed_scenes(asked("masks").make, load("digits").test, 1).slice(0, 2)
    with recorded(attending) as maps:
        seen = world.observe(world.open(scenes), world.first(scenes), 0)
        attending.step(attending.start(world.context(scenes)), seen)
    assert maps and maps[0].density is not None
    with pytest.raises(ValueError, match="no decoder 'none'"):
        Dense((1, SIDE, SIDE), world.task.classes, layout=world.task.layout, decoder="none")  # type: ignore[arg-type]


def test_a_part_attends_by_a_gate_of_its_own() -> None:
    """maps_p = w_p (a_p y) + b_p, a the mean field of what the parts' scores are."""
    torch.manual_seed(0)
    world = asked("keypoints").world
    agent = MultiContextStack(
        (1, SIDE, SIDE), world.task.classes, layout=world.task.layout, width=8, depth=1
    )
    y = torch.randn(2, 8, 6, 7)
    score = agent.part(y)
    gates = torch.stack(
        [mean_field(score[:, p : p + 1], agent.spread[-1], 3)[:, 0] for p in range(5)], 1
    )
    answer = agent.answers[-1]
    wanted = [F.conv2d(y * gates[:, p : p + 1], answer.weight[p : p + 1]) for p in range(5)]  # type: ignore[index]
    bias: Tensor = answer.bias  # type: ignore[assignment]
    found = agent.said(1, y)
    assert torch.allclose(found, torch.cat(wanted, 1) + bias[:, None, None], atol=1e-5)
    with pytest.raises(ValueError, match="odd side"):
        MultiContextStack((1, SIDE, SIDE), world.task.classes, layout=world.task.layout, kernel=2)
    with pytest.raises(ValueError, match="one at least"):
        StackedHourglass((1, SIDE, SIDE), world.task.classes, layout=world.task.layout, stacks=0)


@pytest.mark.parametrize("scene", ["masks", "keypoints"])
def test_it_learns_in_seconds(scene: str) -> None:
    """One digit on an empty canvas: what belongs to it, or where it ends."""
    options = {"digits": 1, "label": "salient"} if scene == "masks" else {}
    made = asked(scene, canvas=16, distractors=0, **options)
    data, world = load("digits"), made.world
    torch.manual_seed(0)
    agent = Dense((1, 16, 16), world.task.classes, layout=world.task.layout, width=16)
    test = fixed_scenes(made.make, data.validation, 1).slice(0, 60)
    before = METRICS["error"](evaluate(agent, world, test))
    optimizer = torch.optim.Adam(agent.parameters(), 1e-2)
    generator = torch.Generator().manual_seed(0)
    for _ in range(60):
        index = torch.randint(len(data.train), (32,), generator=generator)
        scenes = made.make(data.train, index, generator)
        optimizer.zero_grad()
        ESTIMATORS["learned_baseline"].make(agent, world, scenes, generator).total.backward()
        optimizer.step()
    columns = evaluate(agent, world, test)
    after = METRICS["error"](columns)
    assert isinstance(before, float) and isinstance(after, float) and after < before
    if scene == "masks":
        assert METRICS["mean_iou"](columns) > 0.7  # type: ignore[operator]
    else:
        assert METRICS["pck"](columns) > 0.5  # type: ignore[operator]
