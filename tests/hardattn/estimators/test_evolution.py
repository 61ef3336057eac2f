"""Evolution: the gradient of the smoothed loss, and a descent by ranks."""

import pytest
import torch
from torch import nn

from hardattn.estimators import ESTIMATORS
from hardattn.scenes import Scenes
from hardattn.tasks import Classify
from tests.support.estimators import CLASSES, UNBIASED, estimates, generator_of, make, points, three
from tests.support.exact import exact_gradient


@pytest.fixture
def scenes() -> Scenes:
    return three()


def test_snes_without_ranks_is_unbiased_for_the_smoothed_loss(scenes: Scenes) -> None:
    """At a small sigma the smoothed loss is the loss, to second order."""
    agent, world = points(looks=2, bonus=0.0)
    exact = exact_gradient(agent, world, scenes)
    estimator = make("snes", agent, world, ranks=False, sigma=0.003, population=32)
    found = estimates(estimator, agent, world, scenes, 40, 64)
    z = (found.mean(0) - exact) / (found.std(0) / 40**0.5)
    assert z.abs().max() < UNBIASED
    kept = [weight.clone() for weight in agent.parameters()]
    estimator(agent, world, scenes, torch.Generator().manual_seed(0))
    assert all(map(torch.equal, kept, agent.parameters()))


def test_snes_descends_a_sphere(scenes: Scenes) -> None:
    agent, world = points(looks=1)
    weights = list(agent.parameters())
    target = torch.randn(sum(w.numel() for w in weights), generator=generator_of(1))

    class Distance(Classify):
        """The same loss for every answer: how far the weights are from the target."""

        def __call__(self, logits, *rest):  # type: ignore[no-untyped-def]
            far = (nn.utils.parameters_to_vector(weights) - target).pow(2).sum().detach()
            return torch.zeros(len(logits)), far.expand(len(logits))

    world.task = Distance(CLASSES)
    estimator = ESTIMATORS["snes"].make(agent, world, population=20, sigma=0.5).train()
    generator, losses = generator_of(2), []
    for _ in range(250):
        loss = estimator(agent, world, scenes, generator)
        losses.append(loss.total.item())
        gradients = torch.autograd.grad(loss.total, weights)
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.data -= gradient
    assert losses[-1] < losses[0] / 20
