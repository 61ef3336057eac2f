"""Attention sampling: without bias against every draw there is, and it learns where to draw."""

import itertools
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from hardattn.agents import AttentionSampling
from hardattn.distributions.selection import Subset
from hardattn.estimators import ESTIMATORS
from hardattn.evaluation.metrics import error
from hardattn.rollout import Trajectory, greedy, rollout
from hardattn.sensors import Several
from hardattn.tasks import Classify
from hardattn.world import World
from tests.support.agents import build, scenes
from tests.support.estimators import UNBIASED, estimates, generator_of, three
from tests.support.exact import flat_gradient
from tests.support.selection import CLASSES, Patchwork, some_patches

CELLS = 4


def draws(count: int, replacement: bool) -> Iterator[tuple[int, ...]]:
    if replacement:
        yield from itertools.product(range(CELLS), repeat=count)
    else:
        yield from itertools.permutations(range(CELLS), count)


def sampling(count: int, replacement: bool) -> AttentionSampling:
    agent, _ = some_patches("attention_sampling", count, replacement=replacement)
    assert isinstance(agent, AttentionSampling)
    return agent


def bias(agent: AttentionSampling, shares: str = "own") -> tuple[float, float]:
    """How far the mean over every draw is from attention to all: of features, of the gradient."""
    generator = generator_of(5)
    scores = torch.randn(1, CELLS, generator=generator, dtype=torch.float64).requires_grad_()
    features = torch.randn(CELLS, 2, generator=generator, dtype=torch.float64).requires_grad_()
    toward = torch.randn(2, generator=generator, dtype=torch.float64)
    state = scores.log_softmax(1)
    wanted = (state.exp() @ features)[0]
    mean, gradient = torch.zeros_like(wanted), torch.zeros_like(scores)
    of_features = torch.zeros_like(features)
    for cells in draws(agent.count, agent.replacement):
        places = Subset(state, agent.count, agent.replacement)
        place = places.over(torch.tensor(cells)[None])
        slots = place.unflatten(1, (agent.count, -1))
        weight = agent.shares(state, slots)
        if shares == "without gradient":
            weight = weight.detach()
        if shares == "alike":
            weight = weight / weight.detach() / agent.count
        found = (weight[:, None] @ (slots @ features))[0, 0]
        chance = places.log_prob(place).exp().detach()
        mean = mean + chance * found.detach()
        moved = torch.autograd.grad(
            found @ toward, (scores, features), retain_graph=True, allow_unused=True
        )
        gradient = gradient + chance * (0 if moved[0] is None else moved[0])
        of_features = of_features + chance * moved[1]
    exact = torch.autograd.grad(wanted @ toward, (scores, features))
    apart = max((gradient - exact[0]).abs().max(), (of_features - exact[1]).abs().max())
    return (mean - wanted).abs().max().item(), apart.item()


@pytest.mark.parametrize("replacement", [False, True])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_mean_over_every_draw_is_attention_to_all(count: int, replacement: bool) -> None:
    """The features and their gradient, in attention and in features, to rounding."""
    assert max(bias(sampling(count, replacement))) < 1e-12


def test_planted_faults_are_caught() -> None:
    assert bias(sampling(2, True), "without gradient")[1] > 1e-2
    assert bias(sampling(2, False), "without gradient")[1] > 1e-2
    # As if what is drawn without replacement were drawn with it.
    assert min(bias(sampling(2, False), "alike")) > 1e-2


class Linear(Classify):
    """A loss that is linear in the answer, and so in features: of it the gradient is unbiased."""

    def __call__(
        self, logits: Tensor, target: Tensor, final: Tensor, looks: int
    ) -> tuple[Tensor, Tensor]:
        truth = target.expand(len(logits), -1)[..., None]
        return torch.zeros_like(final), -logits.gather(-1, truth)[..., 0] * final


@pytest.mark.parametrize("replacement", [False, True])
def test_gradients_are_unbiased_where_the_loss_is_linear(replacement: bool) -> None:
    agent, some = some_patches("attention_sampling", 2, replacement=replacement)
    world = World(some.sensor, Linear(CLASSES), 2, context="coarse", first="centre")
    patches = some.sensor.open(three().image)
    state = agent.start(world.context(three()))
    whole = (state.exp()[:, None] @ agent.patch(patches))[:, 0]
    loss = -agent.answer(whole).gather(1, three().target[:, None])[:, 0]
    cost = agent.entropy * (torch.log(torch.tensor(4.0)) + (state.exp() * state).sum(1))
    exact = flat_gradient(agent, (loss + cost).mean())
    found = estimates(ESTIMATORS["attention_sampling"].make, agent, world, three(), 100, 64)
    spread = found.std(0) / 10
    noisy = spread > 1e-7
    assert torch.allclose(found.mean(0)[~noisy], exact[~noisy], atol=1e-5)
    assert noisy.sum() > 50
    assert ((found.mean(0) - exact) / spread)[noisy].abs().max() < UNBIASED


def test_evaluation_draws_nothing_and_weighs_by_attention() -> None:
    agent, world = build("agent attention_sampling")
    agent.eval()
    path: Trajectory = rollout(agent, world, scenes(), greedy)
    attention = agent.start(world.context(scenes())).exp()
    looked = path.location[1].unflatten(1, (2, -1))
    best = attention.topk(2)
    assert torch.equal(looked.argmax(2), best.indices)
    shares = agent.shares(attention.log(), looked)
    assert torch.allclose(shares, best.values / best.values.sum(1, keepdim=True))


LESSON = Patchwork(
    *(AttentionSampling, dict(context=(1, 12, 12), grid=(4, 4), features=32, filters=8)),
    **dict(estimator="attention_sampling", sensor=Several(4, 4, 2, 10), context="coarse"),
    **dict(side=32, updates=400, rate=1e-2),
)


def test_learns_where_to_look() -> None:
    """Errors of seeds 0 and 1: 13, 0 %; of the control 52, 51."""
    learned, control = LESSON.learned(), LESSON.controlled()
    assert error(control) > 0.3
    assert error(learned) < 0.5 * error(control)
