"""Expected information: its value by hand, what it never does, and that it follows a signpost."""

import math

import pytest
import torch
from torch import Tensor

from hardattn.agents import ExpectedInformation
from hardattn.agents.expected_information import Expecting, information
from hardattn.estimators.score_function import reinforce
from hardattn.evaluation.metrics import error
from hardattn.rollout import greedy, rollout, sample
from hardattn.scenes import Scenes
from hardattn.sensors import Several
from tests.support.agents import build, scenes
from tests.support.learning import Lesson


def test_information_by_hand() -> None:
    """Sure of one class each: log 2; of one mind, 0; and a mixed one by its divergences."""
    sure = torch.tensor([[60.0, 0.0, 0.0], [0.0, 60.0, 0.0]])[:, None, None]
    same = torch.tensor([[0.3, 1.0, -1.0]] * 2)[:, None, None]
    mixed = torch.tensor([[0.8, 0.2, 0.0], [0.4, 0.6, 0.0]]).clamp_min(1e-12).log()[:, None, None]
    assert information(sure).item() == pytest.approx(math.log(2))
    assert information(same).item() == pytest.approx(0, abs=1e-6)
    wanted = sum(p * math.log(p / q) for p, q in ((0.8, 0.6), (0.2, 0.4), (0.4, 0.6), (0.6, 0.4)))
    assert information(mixed).item() == pytest.approx(wanted / 2, abs=1e-6)


def test_gain_is_that_of_each_cell_by_itself() -> None:
    agent, _ = build("agent expected_information")
    known = torch.randn(3, 12, generator=torch.Generator().manual_seed(0))
    state = Expecting(known, torch.zeros(3, 9))
    with torch.no_grad():
        foreseen = agent.expected(known)
        for cell in range(9):
            where = agent.cell(torch.eye(9)[cell])
            answers = torch.stack(
                [
                    agent.answer(agent.core(agent.placed(one[:, cell], where), known))
                    for one in foreseen
                ]
            )
            alone = information(answers[:, :, None])[:, 0]
            assert torch.allclose(agent.gain(state)[:, cell], alone, atol=1e-6)


@pytest.mark.parametrize("draw", [greedy, sample])
def test_it_never_looks_at_a_cell_twice(draw: object) -> None:
    agent, world = build("agent expected_information", 5)
    generator = torch.Generator().manual_seed(0)
    path = rollout(agent, world, scenes(), draw, generator)  # type: ignore[arg-type]
    assert path.location.sum(0).max() == 1 and path.log_prob.isfinite().all()
    assert path.entropy.isfinite().all()


def test_no_look_is_reinforced() -> None:
    agent, world = build("agent expected_information")
    path = reinforce(agent, world, scenes(), torch.Generator().manual_seed(0)).path
    assert path.log_prob[1:].all() and not path.log_prob.requires_grad


def test_the_bound_is_that_of_its_parts() -> None:
    """A squared error over many draws, and the divergence of two normals, by torch's own."""
    agent, _ = build("agent expected_information")
    before, known = torch.randn(2, 5, 12, generator=torch.Generator().manual_seed(0))
    place, shown = torch.eye(9)[:5], torch.rand(5, 8)
    agent.expected.noise = torch.randn(40_000, 1, 4, generator=torch.Generator().manual_seed(1))
    found = agent.expected(known)[:, range(5), range(5)]
    missed = ((found - shown) ** 2).sum(2).mean(0) / (2 * agent.spread**2)
    after, prior = (
        torch.distributions.Normal(*(each if n == 0 else each.exp() for n, each in enumerate(two)))
        for two in (agent.expected.posterior(h).chunk(2, 1) for h in (known, before))
    )
    nats = torch.distributions.kl_divergence(after, prior).sum(1)
    assert torch.allclose(agent.bound(before, known, place, shown), (missed + nats) / 8, rtol=0.02)


@pytest.mark.parametrize(
    "glimpse, imagined, match", [((2, 1, 4, 4), 4, "count of 1"), ((1, 1, 4, 4), 1, "2 imagined")]
)
def test_what_it_cannot_use_is_refused(glimpse: tuple[int, ...], imagined: int, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        ExpectedInformation(glimpse, 10, grid=(2, 2), imagined=imagined)


def signposts(count: int, generator: torch.Generator, side: int = 8) -> Scenes:
    """Four cells: the last, where the first look falls, says in which other the answer is."""
    cell = torch.randint(3, (count,), generator=generator)
    shade = torch.randint(4, (count, 4), generator=generator)
    target = shade.gather(1, cell[:, None])[:, 0]
    shade[:, 3] = cell + 1
    image = (shade.view(-1, 1, 2, 2) * 80).to(torch.uint8)
    image = image.repeat_interleave(side // 2, 2).repeat_interleave(side // 2, 3)
    low = torch.stack([cell % 2, cell // 2], 1) - 1.0
    box: Tensor = torch.cat([low, low + 1], 1)
    return Scenes(image, target, box[:, None], torch.arange(count))


LESSON = Lesson(
    *(ExpectedInformation, dict(grid=(2, 2), features=16, hidden=48, latent=8, filters=8)),
    **dict(sensor=Several(2, 2, 1), make=signposts, side=8, updates=700, rate=1e-2),
    estimator="reinforce",
)


def test_looks_where_a_signpost_points() -> None:
    """Without a reward for it. Error of seed 0: 0 %; of looks that fall anywhere 55."""
    learned, control = LESSON.learned(), LESSON.controlled()
    assert learned.hit[:, 1].float().mean() > 0.9
    assert error(learned) < 0.5 * error(control)
