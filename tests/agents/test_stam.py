"""STAM: who attends to what, that no cell is looked at twice, and that it learns to look."""

from typing import Any

import pytest
import torch
from torch import Tensor

from hardattn.agents import STAM, Scripted
from hardattn.agents.stam import MaskedLayer
from hardattn.estimators.teacher import FullViewTeacher
from hardattn.evaluation.evaluate import Columns
from hardattn.evaluation.metrics import error
from hardattn.rollout import greedy, rollout, sample
from hardattn.scenes import Scenes
from hardattn.sensors import Cells
from hardattn.world import World
from tests.support.agents import build, scenes
from tests.support.learning import Lesson


def made(looks: int = 3) -> tuple[Any, World]:
    return build("agent stam", looks)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_nothing_attends_to_what_is_not_there() -> None:
    torch.manual_seed(0)
    layer, x = MaskedLayer(8, 2), torch.randn(3, 5, 8)
    there = torch.tensor([False, False, True, True, True]).expand(3, 5)
    alone = layer(x[:, 2:], there[:, 2:])
    assert torch.allclose(layer(x, there)[:, 2:], alone, atol=1e-6)


def test_the_order_of_glimpses_does_not_matter() -> None:
    agent, world = made()
    view, cells = world.open(scenes()), torch.eye(9)[torch.tensor([2, 7, 4])]
    answers = []
    for order in ([0, 1, 2], [1, 0, 2]):
        state = agent.start(world.context(scenes()))
        for look, cell in enumerate(order):
            seen = world.observe(view, cells[cell].expand(12, 9), look)
            state, decision = agent.step(state, seen)
        answers.append(decision.logits)
    assert torch.allclose(*answers, atol=1e-5)


@pytest.mark.parametrize("draw", [sample, greedy])
def test_no_cell_is_looked_at_twice(draw: Any) -> None:
    agent, world = made(9)
    path = rollout(agent, world, scenes(), draw, seeded())
    assert torch.equal(world.path(path.location).sum(0), torch.ones(12, 9))
    assert path.log_prob.min() > -50 and path.entropy.isfinite().all()


def test_what_it_did_not_look_at_has_no_influence() -> None:
    agent, world = made()
    path = rollout(agent.eval(), world, scenes(), greedy, seeded())
    hidden = world.sensor.density(path.location).sum(0) == 0
    mask = hidden.repeat_interleave(4, 1).repeat_interleave(4, 2)[:, None]
    image = torch.where(mask, 255 - scenes().image, scenes().image)
    other = rollout(agent, world, Scenes(image, *scenes()[1:]), greedy, None, path.location[0])
    assert torch.equal(other.logits, path.logits)


@pytest.mark.parametrize("joint", [False, True])
def test_the_policy_moves_the_transformer_only_if_it_may(joint: bool) -> None:
    agent, world = made()
    agent.joint = joint
    path = rollout(agent, world, scenes(), sample, seeded())

    def moved(output: Tensor) -> set[str]:
        names, weights = zip(*agent.named_parameters(), strict=True)
        found = torch.autograd.grad(output, weights, allow_unused=True, retain_graph=True)
        return {name.split(".")[0] for name, g in zip(names, found, strict=True) if g is not None}

    core = {"patch", "place", "token", "layers", "norm"}
    assert moved(path.log_prob.sum()) == {"candidates", "query", "score"} | (
        core if joint else set()
    )
    assert moved(path.value.sum()) == {"critic"} and moved(path.loss.sum()) == {"answer"} | core


@pytest.mark.parametrize(
    "glimpse, heads, match", [((2, 1, 4, 4), 4, "that sensor"), ((1, 4, 4), 3, "do not divide")]
)
def test_what_it_cannot_use_is_refused(glimpse: tuple[int, ...], heads: int, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        STAM(glimpse, 10, looks=3, grid=(2, 2), heads=heads)


EYE, LOOKS = Cells(4, 4), 5
LESSON = Lesson(
    STAM,
    dict(looks=LOOKS, grid=(4, 4), features=32, hidden=32, filters=8, layers=1),
    sensor=EYE,
    looks=LOOKS,
    first="random",
    updates=150,
    rate=5e-3,
)


def taught(agent: Any) -> Columns:
    """What it does, once it and its teacher have learned together."""
    return LESSON._learn(agent, FullViewTeacher(agent, LESSON.world, teacher_width=4), 0)


def test_learns_which_cells_to_look_at() -> None:
    """Errors of seed 0 after each look: 56, 27, 14, 4, 0.2 %; by chance 16 after the last."""
    columns = taught(LESSON._agent(0))
    control = error(taught(Scripted(LESSON._agent(0), "random", LOOKS, EYE)))
    after = 1 - columns.correct.double().mean(0)
    assert (after[1:] < after[:-1]).all(), "each look makes the answer better"
    assert control > 0.1 and error(columns) < 0.5 * control
