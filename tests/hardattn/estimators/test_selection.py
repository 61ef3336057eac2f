"""Perturbed top-k: its gradient is that of the loss at the exact mean choice."""

import copy

import pytest
from torch import Tensor

from hardattn.distributions import LocationDistribution
from hardattn.distributions.selection import Subset
from hardattn.estimators.relaxed import through
from hardattn.estimators.selection import PerturbedTopK
from tests.support.estimators import generator_of, three
from tests.support.exact import flat_gradient
from tests.support.selection import exact_choice, some_patches


def test_the_gradient_is_that_of_the_loss_at_the_exact_mean() -> None:
    agent, world = some_patches()

    def exactly(places: LocationDistribution, noise: object = None) -> tuple[Tensor, Tensor]:
        assert isinstance(places, Subset)
        mean = exact_choice(places.logits.double(), 0.3).to(places.logits)
        return mean.flatten(1), mean.new_zeros(len(mean))

    first = world.first(three(), generator_of(0))
    world.first = lambda scenes, generator=None: first[: len(scenes)]
    wanted = flat_gradient(agent, through(exactly, agent, world, three(), None).total)
    moved = dict(agent.named_parameters())
    assert moved["scores.score.weight"].requires_grad and wanted.abs().max() > 0
    estimator = PerturbedTopK(agent, world, sigma=0.3, noises=400_000)
    found = flat_gradient(agent, estimator(agent, world, three(), generator_of(1)).total)
    assert (found - wanted).norm() < 0.03 * wanted.norm()
    # Of the scores alone, which are a small part of all.
    size = sum(weight.numel() for name, weight in moved.items() if name.startswith("scores"))
    assert (found[:size] - wanted[:size]).norm() < 0.2 * wanted[:size].norm()


def test_noise_falls_and_looks_become_hard() -> None:
    agent, world = some_patches(count=2)
    estimator = PerturbedTopK(agent, world, sigma=0.5, noises=50, falling=2)
    hard = []
    for _ in range(4):
        path = estimator(agent, world, three(), generator_of(3)).path
        hard.append(bool(((path.location[1] == 0) | (path.location[1] == 1)).all()))
    assert hard == [False, False, True, True]
    agent.zero_grad()
    estimator(agent, world, three(), generator_of(3)).total.backward()
    moved = [weight.grad is not None for weight in agent.scores.parameters()]
    assert not any(moved) and agent.answer[0].weight.grad.abs().max() > 0
    kept = copy.deepcopy(estimator.state_dict())
    other = PerturbedTopK(agent, world, falling=2)
    other.load_state_dict(kept)
    assert other.updates == estimator.updates == 5


@pytest.mark.parametrize("wrong", [{"sigma": 0.0}, {"noises": 0}, {"falling": 0}])
def test_what_cannot_be_meant_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="noise needs a sigma above 0"):
        PerturbedTopK(*some_patches(), **wrong)  # type: ignore[arg-type]
