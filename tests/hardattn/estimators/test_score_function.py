"""Score functions: their baselines, their variance, and planted bugs that the tests must catch."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from hardattn.distributions import LocationDistribution
from hardattn.estimators import ESTIMATORS, Loss, reinforce
from hardattn.estimators.score_function import credit, surrogate
from hardattn.rollout import greedy, rollout, sample, soft
from hardattn.scenes import Scenes
from hardattn.sensors import GaussianWindow
from hardattn.world import World
from tests.support.estimators import (
    CAUGHT,
    UNBIASED,
    Blind,
    cells,
    generator_of,
    make,
    plane,
    points,
    three,
    z_scores,
)
from tests.support.exact import (
    Tiny,
    enumerate_episodes,
    exact_gradient,
    exact_moments,
    flat_gradient,
)


@pytest.fixture
def scenes() -> Scenes:
    return three()


def test_entropy_bonus_is_unbiased_for_its_own_objective(scenes: Scenes) -> None:
    agent, world = points()
    path, probability = enumerate_episodes(agent, world, scenes)
    total = (path.loss + path.cost - path.reward - 0.5 * path.entropy).sum(0)
    exact = flat_gradient(agent, (probability * total).sum() / len(scenes))
    estimator = make("entropy_bonus", agent, world, ent_coef=0.5)
    assert z_scores(estimator, agent, world, scenes, exact).abs().max() < UNBIASED


def test_per_look_gain_pays_the_last_belief(scenes: Scenes) -> None:
    """Undiscounted gains telescope: to go from row t, the last belief less the one before t."""
    agent, world = points()
    path, probability = enumerate_episodes(agent, world, scenes)
    many = scenes.repeat(len(probability) // len(scenes))
    belief = world.task.belief(path.logits[-1], many.target).detach()
    total = (path.loss + path.cost).sum(0) * probability.detach() - belief * probability
    exact = flat_gradient(agent, total.sum() / len(scenes))
    estimator = make("per_look_gain", agent, world, discount=1.0)
    assert z_scores(estimator, agent, world, scenes, exact).abs().max() < UNBIASED


def test_nvil_is_unbiased_but_for_its_scale(scenes: Scenes) -> None:
    agent, world = points()
    exact = exact_gradient(agent, world, scenes)
    estimator = make("nvil", agent, world, scale=False)
    estimator.centre.fill_(0.4)
    assert z_scores(estimator, agent, world, scenes, exact).abs().max() < UNBIASED
    scaled = make("nvil", agent, world)
    scaled.variance.fill_(25.0)
    assert z_scores(scaled, agent, world, scenes, exact).abs().max() > CAUGHT


@pytest.mark.parametrize("name", ["self_critical", "soft_baseline"])
def test_greedy_and_soft_baselines_are_those_episodes(name: str, scenes: Scenes) -> None:
    agent, world = cells(bonus=0.7)
    draw = greedy if name == "self_critical" else soft
    loss = ESTIMATORS[name].make(agent, world, scenes, generator_of(0))
    other = rollout(agent, world, scenes, draw)
    wanted = credit(loss.path) - credit(other)
    assert torch.allclose(loss.advantage, wanted, atol=1e-6)


def test_moving_average_moves_in_training_only(scenes: Scenes) -> None:
    agent, world = points()
    estimator = ESTIMATORS["moving_average"].make(agent, world)
    estimator.eval()(agent, world, scenes, generator_of(0))
    assert (estimator.mean == 0).all()
    loss = estimator.train()(agent, world, scenes, generator_of(0))
    assert torch.allclose(estimator.mean, 0.1 * credit(loss.path).mean(1, keepdim=True))
    before = estimator.mean.clone()
    loss = estimator(agent, world.upto(2), scenes, generator_of(0))
    assert torch.allclose(loss.advantage, credit(loss.path) - before[:2])
    moved = 0.9 * before[:2] + 0.1 * credit(loss.path).mean(1, keepdim=True)
    assert torch.allclose(estimator.mean, torch.cat([moved, before[2:]]))


def test_half_of_the_time_soft(scenes: Scenes) -> None:
    agent, world = cells()
    estimator = ESTIMATORS["moving_average"].make(agent, world, soft=0.5)
    path = estimator(agent, world, scenes.repeat(200), generator_of(0)).path
    calm = path.location[1].max(-1).values < 1
    assert 0.4 < calm.float().mean() < 0.6
    assert (path.log_prob[1][calm] == 0).all()
    assert (path.log_prob[1][~calm] < 0).all()


def baselines(name: str, agent: Tiny, world: World, scene: Scenes) -> Callable[[Tensor], Tensor]:
    """The baseline of a row as its definition has it, from the critic's values of an episode."""
    if name == "learned_baseline":
        return lambda value: torch.cat([torch.zeros(1), -value[:-1]])
    if name == "self_critical":
        path = rollout(agent, world, scene, greedy)
        signal = (path.loss + path.cost - path.reward)[:, 0].tolist()
        return lambda value: torch.tensor([sum(signal[t:]) for t in range(world.looks)])
    return lambda value: torch.zeros(world.looks)


def variance_ratio(name: str, estimator: Callable[..., Loss], scenes: Scenes) -> float:
    """The estimator's variance over what its definition has, summed over weights."""
    agent, world = points()
    copies, calls = 16, 1000
    wanted = torch.zeros(())
    for s in range(len(scenes)):
        scene = scenes.slice(s, s + 1)
        wanted = (
            wanted + exact_moments(agent, world, scene, baselines(name, agent, world, scene))[1]
        )
    generator = torch.Generator().manual_seed(4)
    many = scenes.repeat(copies)
    found = torch.stack(
        [flat_gradient(agent, estimator(agent, world, many, generator).total) for _ in range(calls)]
    ).var(0)
    return (found.sum() / (wanted.sum() / (len(scenes) ** 2 * copies))).item()


@pytest.mark.parametrize("name", ["reinforce", "learned_baseline", "self_critical"])
def test_variance_is_that_of_the_definition(name: str, scenes: Scenes) -> None:
    assert variance_ratio(name, ESTIMATORS[name].make, scenes) == pytest.approx(1, abs=0.1)


def test_slow_reference_agrees_with_enumeration(scenes: Scenes) -> None:
    agent, world = points()
    scene = scenes.slice(0, 1)
    mean, _ = exact_moments(agent, world, scene, lambda value: torch.zeros(world.looks))
    assert torch.allclose(mean, exact_gradient(agent, world, scene), atol=1e-5)


def test_baselines_lower_the_variance(scenes: Scenes) -> None:
    agent, world = points()
    generator = torch.Generator().manual_seed(5)
    spread = {}
    for name in ("reinforce", "self_critical", "leave_one_out"):
        grads = [
            flat_gradient(
                agent, ESTIMATORS[name].make(agent, world, scenes.repeat(16), generator).total
            )
            for _ in range(300)
        ]
        spread[name] = torch.stack(grads).var(0).sum()
    assert spread["self_critical"] < spread["reinforce"]
    assert spread["leave_one_out"] < spread["reinforce"] / 4  # it also looks four times


# Planted bugs: each is in well-known code.


def undetached(
    places: LocationDistribution, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    value = places.draw(generator)
    return value, places.log_prob(value)


def squashed(
    places: LocationDistribution, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    value = places.draw(generator).detach()
    return value, places.log_prob(torch.tanh(value))


def with_draw(draw: Callable[..., tuple[Tensor, Tensor]]) -> Callable[..., Loss]:
    def planted(agent: Tiny, world: World, scenes: Scenes, generator: torch.Generator) -> Loss:
        path = rollout(agent, world, scenes, draw, generator)
        return Loss(surrogate(path, credit(path)), path, credit(path))

    return planted


class Squashing(World):
    """Looks fall at tanh of what was drawn."""

    def place(self, location: Tensor, before: Tensor | None = None) -> Tensor:
        return torch.tanh(location)


def test_catches_the_undetached_sample(scenes: Scenes) -> None:
    agent, world = plane(Blind(2, sigma=0.8))
    exact = exact_gradient(agent, world, scenes)
    assert z_scores(with_draw(sample), agent, world, scenes, exact).abs().max() < UNBIASED
    assert z_scores(with_draw(undetached), agent, world, scenes, exact).abs().max() > CAUGHT


def test_catches_the_squashed_density(scenes: Scenes) -> None:
    agent, world = plane(GaussianWindow(2, sigma=0.8))
    world.__class__ = Squashing
    exact = exact_gradient(agent, world, scenes)
    assert z_scores(with_draw(sample), agent, world, scenes, exact).abs().max() < UNBIASED
    assert z_scores(with_draw(squashed), agent, world, scenes, exact).abs().max() > CAUGHT


def test_catches_the_baseline_that_saw_the_look(scenes: Scenes) -> None:
    def planted(agent: Tiny, world: World, scenes: Scenes, generator: torch.Generator) -> Loss:
        path = rollout(agent, world, scenes, sample, generator)
        advantage = credit(path) + path.value.detach()
        return Loss(surrogate(path, advantage), path, advantage)

    agent, world = points()
    exact = exact_gradient(agent, world, scenes)
    assert z_scores(planted, agent, world, scenes, exact).abs().max() > CAUGHT


def test_catches_the_extra_draw_after_the_last_look(scenes: Scenes) -> None:
    """It biases nothing, it is noise: the variance gives it away."""

    def planted(agent: Tiny, world: World, scenes: Scenes, generator: torch.Generator) -> Loss:
        made: list[LocationDistribution] = []

        class Listening(Tiny):
            def step(self, state, seen):  # type: ignore[no-untyped-def]
                state, decision = Tiny.step(agent, state, seen)
                made.append(decision.location)
                return state, decision

        listening = Listening.__new__(Listening)
        listening.__dict__ = agent.__dict__
        loss = reinforce(listening, world, scenes, generator)
        extra = made[-1].log_prob(sample(made[-1], generator)[0])
        noise = (extra * loss.advantage[-1]).mean()
        return loss._replace(total=loss.total + noise)

    assert variance_ratio("reinforce", planted, scenes) > 1.15


def test_catches_a_loss_that_the_looks_are_not_told(scenes: Scenes) -> None:
    """The published hybrid follows the reward alone: not the gradient of E[loss - reward]."""
    agent, world = points()
    exact = exact_gradient(agent, world, scenes)

    def hybrid(*given: object) -> Loss:
        return reinforce(*given, reward_only=True)  # type: ignore[arg-type]

    assert z_scores(hybrid, agent, world, scenes, exact).abs().max() > CAUGHT
