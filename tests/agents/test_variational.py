"""Variational attention: its bounds, its guide and its concentrations."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hardattn.agents.variational import Variational
from hardattn.distributions import Categorical, Dirichlet
from hardattn.estimators import ESTIMATORS
from hardattn.estimators.variational import VariationalPathwise, divergence
from hardattn.evaluation.evaluate import evaluate
from hardattn.rollout import greedy, rollout, sample, soft
from hardattn.stochastic.cell_attention import Alignment, CategoricalAlignment, DirichletAlignment
from hardattn.world import World
from tests.support.feature_attention import CLASSES, GUIDE, gradients, small, some


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Posed(nn.Module):
    """The agent with another posterior."""

    def __init__(self, agent: Variational, posterior: Callable[..., Categorical]):
        super().__init__()
        self.agent, self.posterior = agent, posterior

    def start(self, context: Tensor) -> Any:
        return self.agent.start(context)

    def step(self, state: Any, seen: Any) -> Any:
        return self.agent.step(state, seen)

    def guide(self, state: Any, target: Tensor) -> Categorical:
        return self.posterior(state, target)


def by_hand(agent: Any, state: Any, target: Tensor) -> tuple[Tensor, Tensor]:
    """(B, N) log p(z | x) and log p(y | x, z), of all cells."""
    with torch.no_grad():
        prior = agent.alignment(state.features, state.query).log_softmax(1)
        told = agent.answer(state.features).log_softmax(-1)
        truth = target[:, None, None].expand(-1, told.shape[1], 1)
        return prior, told.gather(2, truth)[..., 0]


def alignment() -> tuple[Variational, World, Tensor, Tensor]:
    agent, world = small("variational", seed=3)
    with torch.no_grad():
        for weight in agent.parameters():
            weight.mul_(3)
    return agent, world, *by_hand(agent, agent.start(world.context(some())), some().target)


def exact_posterior(agent: Variational) -> Posed:
    return Posed(agent, lambda state, target: Categorical(sum(by_hand(agent, state, target))))


def value(name: str, agent: nn.Module, world: World) -> float:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        return ESTIMATORS[name].make(agent, world, some(), generator).total.item()


def test_the_bounds_are_ordered() -> None:
    agent, world, prior, fit = alignment()
    marginal = value("marginal_likelihood", agent, world)
    assert marginal == pytest.approx(-(prior + fit).logsumexp(1).mean().item(), abs=1e-5)
    hard = value("enumerated", agent, world)
    assert hard == pytest.approx(-(prior.exp() * fit).sum(1).mean().item(), abs=1e-5)
    assert hard > marginal + 1e-3  # Jensen

    exact = exact_posterior(agent)
    assert value("variational_enumerated", exact, world) == pytest.approx(marginal, abs=1e-5)
    same = Posed(agent, lambda state, target: Categorical(by_hand(agent, state, target)[0]))
    assert value("variational_enumerated", same, world) == pytest.approx(hard, abs=1e-5)
    for seed in range(5):
        way = torch.randn(12, generator=torch.Generator().manual_seed(seed))
        other = Posed(agent, lambda state, target, way=way: Categorical(state.features @ way))
        assert value("variational_enumerated", other, world) > marginal + 1e-3
    assert value("variational_enumerated", agent, world) > marginal


def test_the_gradient_of_the_exact_posterior_is_that_of_the_likelihood() -> None:
    """d/d theta of the bound at q = p(z | x, y) is that of -log p(y | x)."""
    agent, world, _, _ = alignment()
    exact = exact_posterior(agent)
    bound = gradients(agent, ESTIMATORS["variational_enumerated"].make(exact, world, some()).total)
    wanted = gradients(agent, ESTIMATORS["marginal_likelihood"].make(agent, world, some()).total)
    for name in wanted:
        assert torch.allclose(bound[name], wanted[name], atol=1e-5), name


FIVE = ["soft_attention", "marginal_likelihood", "enumerated", "soft_baseline"]


BOUNDS = ["variational_enumerated", "variational_sampled", "variational_gumbel"]


@pytest.mark.parametrize(
    "whose, name",
    [
        *(("variational", name) for name in (*FIVE, *BOUNDS)),
        ("variational_dirichlet", "soft_attention"),
        ("variational_dirichlet", "pathwise"),
        ("variational_dirichlet", "variational_pathwise"),
    ],
)
def test_the_guide_learns_only_where_it_guides(whose: str, name: str) -> None:
    agent, world = small(whose)
    estimator = ESTIMATORS[name].build(agent, world)
    moved = gradients(agent, estimator(agent, world, some(), seeded(0)).total)
    guide = {n for n, _ in agent.named_parameters() if n.startswith(GUIDE)}
    assert bool(guide & moved.keys()) == name.startswith("variational")
    if name.startswith("variational"):
        assert moved.keys() == {n for n, _ in agent.named_parameters()}
        assert all(gradient.abs().max() > 0 for gradient in moved.values())


@pytest.mark.parametrize("name", ["variational", "variational_dirichlet"])
def test_the_guide_sees_the_label_and_is_not_asked_in_use(name: str, monkeypatch: Any) -> None:
    agent, world = small(name)
    state = agent.start(world.context(some()))
    one, other = (agent.guide(state, torch.full((6,), label)).mean for label in (1, 2))
    assert not torch.allclose(one, other, atol=1e-4)

    def refuse(*given: Any) -> Categorical:
        raise AssertionError("the guide was asked")

    monkeypatch.setattr(agent, "guide", refuse)
    for draw in (greedy, soft, sample):
        evaluate(agent, world, some(), draw)


@pytest.mark.parametrize("kind", [CategoricalAlignment, DirichletAlignment])
def test_alignment_scores_by_the_papers_equations(kind: type[Alignment]) -> None:
    """w' tanh(W a_n + U q), of the prior and, told the label, of the posterior; cell by cell."""
    torch.manual_seed(0)
    layer = kind(5, 4, CLASSES, hidden=7)
    a, query, label = torch.randn(3, 6, 5), torch.randn(3, 4), torch.tensor([2, 0, 9])

    def score(net: Any, feature: Tensor, asked: Tensor) -> Tensor:
        hidden = net.keys.weight @ feature + net.keys.bias + net.query.weight @ asked
        return net.score.weight[0] @ torch.tanh(hidden)

    for i in range(3):
        told = torch.cat([query[i], layer.label.weight[label[i]]])
        for n in range(6):
            prior = score(layer.prior, a[i, n], query[i])
            posterior = score(layer.posterior, a[i, n], told)
            if kind is DirichletAlignment:
                posterior = prior + posterior
            assert layer(a, query)[i, n].item() == pytest.approx(prior.item(), abs=1e-5)
            found = layer(a, query, label)[i, n].item()
            assert found == pytest.approx(posterior.item(), abs=1e-5)


def test_concentrations_are_those_of_the_scores_and_stay_within_bounds() -> None:
    layer = DirichletAlignment(5, 4, CLASSES)
    small, large = torch.tensor([[-0.3, 0.0, 0.2]]), torch.tensor([[-1e4, 0.0, 1e4]])
    assert torch.allclose(layer.places(small).concentration, small.exp(), atol=1e-3)
    assert torch.allclose(layer.places(small).mean, small.softmax(1), atol=1e-3)
    wanted = torch.tensor([[math.exp(-8), 1.0, math.exp(8)]])
    assert torch.allclose(layer.places(large).concentration, wanted)
    q, p = layer.places(large), layer.places(-large)
    value = q.draw(seeded(0))
    for number in (value, q.log_prob(value), q.entropy(), divergence(q, p)):
        assert number.isfinite().all()


def test_where_the_label_tells_nothing_the_bound_is_that_of_the_prior() -> None:
    """Then q = p, nothing is charged, and both draw alike."""
    agent, world = small("variational_dirichlet")
    estimator = VariationalPathwise(agent, world)

    def totals() -> list[float]:
        made = (estimator, ESTIMATORS["pathwise"].make)
        return [one(agent, world, some(), seeded(0)).total.item() for one in made]

    bound, of_prior = totals()
    assert bound != pytest.approx(of_prior, abs=1e-4)
    with torch.no_grad():
        agent.alignment.posterior.score.weight.zero_()
    bound, of_prior = totals()
    assert bound == pytest.approx(of_prior, abs=1e-5)


def test_relaxed_alignment_is_soft_attention_where_its_draws_are_sure() -> None:
    """Weights drawn from large concentrations are their mean, and the mean is that of soft."""
    agent, world = small("variational_dirichlet")

    def sure(places: Dirichlet, generator: Any = None) -> tuple[Tensor, None]:
        return sample(Dirichlet(1e6 * places.concentration), generator)

    drawn = rollout(agent, world, some(), sure, seeded(0))
    mean = rollout(agent, world, some(), soft)
    assert torch.allclose(drawn.logits, mean.logits, atol=1e-3)
    other = rollout(agent, world, some(), sample, seeded(0))
    assert not torch.allclose(other.logits, mean.logits, atol=1e-3)
