"""Saccader: votes, the memory of where it was, what it is taught; and it learns, taught or not."""

from typing import Any

import pytest
import torch

from hardattn.agents import Saccader, Scripted
from hardattn.distributions import Categorical
from hardattn.estimators import ESTIMATORS
from hardattn.estimators.three_phases import ThreePhases, everything, imitation
from hardattn.evaluation.evaluate import Columns
from hardattn.evaluation.metrics import error
from hardattn.rollout import greedy, rollout, sample
from hardattn.sensors import Cells
from hardattn.world import World
from tests.support.agents import build, scenes
from tests.support.learning import Lesson


def made(looks: int = 3) -> tuple[Any, World]:
    return build("agent saccader", looks)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_answer_is_the_mean_vote_of_the_cells_looked_at() -> None:
    agent, world = made(5)
    path = rollout(agent, world, scenes(), sample, seeded())
    votes = agent.start(world.context(scenes())).votes
    assert torch.allclose(path.logits[0], votes.mean(1), atol=1e-6)
    for look in range(1, 5):
        cells = path.location[1 : look + 1].argmax(-1)
        taken = torch.stack([votes[torch.arange(12), cell] for cell in cells])
        assert torch.allclose(path.logits[look], taken.mean(0), atol=1e-5)


@pytest.mark.parametrize("around", [0, 1, 2])
def test_a_vote_knows_so_many_cells_around_its_own(around: int) -> None:
    """A change at a corner's far pixels moves the votes of cells as near as that, and no others."""
    torch.manual_seed(0)
    options: Any = dict(context=(1, 30, 30), grid=(5, 5), features=16)
    agent = Saccader((1, 6, 6), 10, around=around, **options)
    image = torch.rand(1, 1, 30, 30)
    changed = image.clone()
    changed[..., :4, :4] = 1 - changed[..., :4, :4]  # of the first cell, none of its edge
    moved = (agent.start(image).votes != agent.start(changed).votes).any(2).unflatten(1, (5, 5))[0]
    near = torch.zeros(5, 5, dtype=torch.bool)
    near[: around + 1, : around + 1] = True
    assert torch.equal(moved, near)
    with pytest.raises(ValueError, match="0 cells around its own or more"):
        Saccader((1, 6, 6), 10, around=-1, **options)


@pytest.mark.parametrize("draw", [sample, greedy])
def test_no_cell_is_looked_at_twice(draw: Any) -> None:
    agent, world = made(10)
    path = rollout(agent, world, scenes(), draw, seeded())
    assert torch.equal(path.location[1:].sum(0), torch.ones(12, 9))
    assert path.log_prob.min() > -50 and path.entropy.isfinite().all()


def test_it_is_taught_the_order_of_the_votes_for_what_the_bag_says() -> None:
    agent, world = made(10)
    path = imitation(agent, world, scenes()).path
    votes = agent.start(world.context(scenes())).votes
    said = votes.mean(1).argmax(1)
    of_it = votes[torch.arange(12), :, said]
    assert torch.equal(path.location[1:].argmax(-1).T, of_it.argsort(1, descending=True))


def test_the_phases_move_what_they_are_for() -> None:
    agent, world = made()
    estimator = ThreePhases(agent, world, phases=(1, 1), samples=2)
    looking = {"where", "mixed", "sought"}
    bag = {"encoder", "vote"}
    for wanted in (bag, looking, bag | looking):
        agent.zero_grad()
        estimator(agent, world, scenes(), seeded()).total.backward()
        moved = {
            name.split(".")[0]
            for name, weight in agent.named_parameters()
            if weight.grad is not None and weight.grad.any()
        }
        assert moved == wanted


def test_the_first_phase_is_that_of_the_bag_alone() -> None:
    agent, world = made()
    value, log_prob = everything(Categorical(torch.randn(2, 9)))
    assert torch.allclose(value, torch.full((2, 9), 1 / 9)) and not log_prob.any()
    path = ThreePhases(agent, world, phases=(1, 0))(agent, world, scenes(), seeded()).path
    votes = agent.start(world.context(scenes())).votes.mean(1)
    assert torch.allclose(path.logits, votes.expand(3, -1, -1), atol=1e-5)


def test_the_loss_of_what_it_is_taught_is_minus_its_log_probability() -> None:
    agent, world = made()
    loss = imitation(agent, world, scenes())
    state = agent.start(world.context(scenes()))
    total = torch.zeros(())
    for look in range(2):
        place = loss.path.location[look]
        state, decision = agent.step(state, world.observe(world.open(scenes()), place, look))
        total = total - decision.location.log_prob(agent.taught(state)).mean()
    assert torch.allclose(loss.total, total, atol=1e-5)


EYE = Cells(4, 4)
LESSON = Lesson(
    Saccader,
    dict(context=(1, 16, 16), grid=(4, 4), features=32, mixed=16),
    sensor=EYE,
    looks=3,
    context="whole",
    updates=300,
    batch=32,
)


def learned(phases: tuple[int, int]) -> Columns:
    return LESSON.learned(ThreePhases(None, LESSON.world, phases=phases, samples=2))  # type: ignore[arg-type]


def test_learns_where_votes_are_worth_something() -> None:
    """Errors of seeds 0 and 1: 0 %, with location pre-training and without; by chance 22 and 25.

    Whether it is needed is another question, which the recipes are for.
    """
    found = error(learned((120, 60)))
    control = Scripted(LESSON._agent(0), "random", 3, EYE)
    by_chance = error(LESSON._learn(control, ESTIMATORS["reinforce"].make, 0))
    assert by_chance > 0.15 and found < 0.5 * by_chance
