"""A teacher of the whole image: its loss by hand, what it moves, and where it is refused."""

import pytest
import torch
from torch.nn import functional as F

from hardattn.estimators.actor_critic import generalised_advantage
from hardattn.estimators.score_function import surrogate
from hardattn.estimators.teacher import FullViewTeacher
from hardattn.rollout import rollout, sample
from hardattn.scenes import Scenes
from tests.support.estimators import generator_of, points, three
from tests.support.exact import flat_gradient


@pytest.fixture
def scenes() -> Scenes:
    return three()


def made(**options: float) -> FullViewTeacher:
    torch.manual_seed(4)
    return FullViewTeacher(*points(), **options).eval()  # type: ignore[arg-type]


def test_looks_are_paid_by_their_divergence_from_the_teacher(scenes: Scenes) -> None:
    agent, world = points(halts=True)
    how, many = made(gae_lambda=0.7, gamma=0.9), scenes.repeat(20)
    loss = how(agent, world, many, generator_of(0))
    path = rollout(agent, world, many, sample, generator_of(0))
    said = how.said(many.image / 255.0).softmax(-1)
    signal = torch.zeros_like(path.loss)
    for look in range(world.looks):
        told = path.logits[look].softmax(-1)
        apart = (told * (told / said).log()).sum(-1)
        signal[look] = apart * path.alive[look] + path.cost[look]
    wanted, _ = generalised_advantage(path, 0.7, 0.9, signal)
    assert torch.allclose(loss.advantage, wanted, atol=1e-5) and path.alive.min() == 0
    assert not loss.advantage.requires_grad


@pytest.mark.parametrize("balance", [0.0, 0.3, 1.0])
def test_answers_are_taught_by_classes_and_by_the_teacher(balance: float, scenes: Scenes) -> None:
    agent, world = points()
    how = made(balance=balance)
    loss = how(agent, world, scenes, generator_of(0))
    path = rollout(agent, world, scenes, sample, generator_of(0))
    said = how.said(scenes.image / 255.0).detach().softmax(-1)
    short = torch.stack([F.cross_entropy(one, said, reduction="none") for one in path.logits]) / 3
    mixed = path._replace(loss=(1 - balance) * path.loss + balance * short)
    wanted = flat_gradient(agent, surrogate(mixed, loss.advantage))
    assert torch.allclose(flat_gradient(agent, loss.total), wanted, atol=1e-5)


def test_the_teacher_learns_from_classes_and_from_nothing_else(scenes: Scenes) -> None:
    agent, world = points()
    how = made()
    loss = how(agent, world, scenes, generator_of(0))
    said = F.cross_entropy(how.said(scenes.image / 255.0), scenes.target)
    weights = list(how.parameters())
    for one, other in zip(
        torch.autograd.grad(loss.total, weights), torch.autograd.grad(said, weights), strict=True
    ):
        assert torch.allclose(one, other, atol=1e-6)


def test_channels_are_seen_each_for_itself() -> None:
    how = made()
    image = torch.rand(2, 3, 8, 8)
    each = torch.stack([how.said(image[:, i : i + 1]) for i in range(3)])
    assert torch.allclose(how.said(image), each.mean(0), atol=1e-6)


def test_what_it_cannot_teach_is_refused(scenes: Scenes) -> None:
    agent, world = points()
    with pytest.raises(ValueError, match="share of the teacher"):
        made(balance=1.5)
    image, target, *rest = scenes
    with pytest.raises(ValueError, match="one question"):
        made()(agent, world, Scenes(image, torch.stack([target, target], 1), *rest))
