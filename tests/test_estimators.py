"""Every estimator against the exact gradient, and planted bugs that the same tests must catch."""

import inspect
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from hardattn.distributions import Places
from hardattn.estimators import ESTIMATORS, Loss, pathwise, reinforce
from hardattn.estimators.score_function import credit, surrogate
from hardattn.rollout import greedy, rollout, sample
from hardattn.scenes import Scenes
from hardattn.sensors import GaussianWindow, Retina
from hardattn.tasks import Classify
from hardattn.world import World
from tests.exact import Tiny, exact_gradient, exact_moments, flat_gradient

CLASSES = 3
UNBIASED = 5.0  # standard errors; the largest of ~100 weights exceeds it once in 20,000 seeds
CAUGHT = 8.0


@pytest.fixture
def scenes() -> Scenes:
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(256, (3, 1, 4, 4), generator=generator, dtype=torch.uint8)
    box = torch.tensor([-1.0, -1.0, 0.0, 0.0]).expand(3, 4)
    return Scenes(image, torch.arange(3), box, torch.arange(3))


def cells(each: bool = True, halts: bool = False, looks: int = 3) -> tuple[Tiny, World]:
    """Three looks at four quadrants: sixteen episodes a scene, with cost, loss and reward."""
    torch.manual_seed(1)
    world = World(Retina(2), Classify(CLASSES, each, bonus=0.7), looks, first="centre")
    return Tiny(4, CLASSES, "cells", halts), world


class Blind(GaussianWindow):
    """A smooth sensor that no gradient passes, so that only the score function can learn."""

    def look(self, view: Tensor, place: Tensor) -> Tensor:
        return super().look(view, place.detach())


def plane(sensor: GaussianWindow, bonus: float = 0.7) -> tuple[Tiny, World]:
    """Two looks, the second drawn from a Gaussian: the expectation is an integral over a plane."""
    torch.manual_seed(2)
    world = World(sensor, Classify(CLASSES, each=True, bonus=bonus), 2, first="centre")
    return Tiny(4, CLASSES, "gaussian"), world


def z_scores(
    estimator: Callable[..., Loss],
    agent: nn.Module,
    world: World,
    scenes: Scenes,
    exact: Tensor,
    calls: int = 250,
    copies: int = 128,
) -> Tensor:
    """(weights,): how many standard errors the mean estimate is from the exact gradient."""
    generator = torch.Generator().manual_seed(3)
    many = scenes.repeat(copies)
    estimates = torch.stack(
        [flat_gradient(agent, estimator(agent, world, many, generator).total) for _ in range(calls)]
    )
    error = estimates.std(0) / calls**0.5
    noiseless = error < 1e-7
    assert torch.allclose(estimates.mean(0)[noiseless], exact[noiseless], atol=1e-5)
    return ((estimates.mean(0) - exact) / error)[~noiseless]


SCORE_FUNCTIONS = [name for name, one in ESTIMATORS.items() if one is not pathwise]


@pytest.mark.parametrize("name", SCORE_FUNCTIONS)
@pytest.mark.parametrize("each", [True, False], ids=["each look", "last look"])
def test_unbiased_by_enumeration(name: str, each: bool, scenes: Scenes) -> None:
    agent, world = cells(each)
    z = z_scores(ESTIMATORS[name], agent, world, scenes, exact_gradient(agent, world, scenes))
    assert len(z) > 50
    assert z.abs().max() < UNBIASED


@pytest.mark.parametrize("name", SCORE_FUNCTIONS)
def test_unbiased_when_the_agent_decides_to_stop(name: str, scenes: Scenes) -> None:
    agent, world = cells(each=False, halts=True)
    exact = exact_gradient(agent, world, scenes)
    z = z_scores(ESTIMATORS[name], agent, world, scenes, exact)
    assert z.abs().max() < UNBIASED
    stop = flat_gradient(agent, sum((agent.stop(torch.ones(1, 4))).flatten()))
    assert exact[stop != 0].abs().max() > 1e-3  # stopping is learned at all


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_unbiased_by_quadrature(name: str, scenes: Scenes) -> None:
    agent, world = plane(GaussianWindow(2, sigma=0.8), bonus=0.0 if name == "pathwise" else 0.7)
    z = z_scores(ESTIMATORS[name], agent, world, scenes, exact_gradient(agent, world, scenes))
    assert z.abs().max() < UNBIASED


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
    agent, world = cells()
    copies, calls = 16, 1500
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
    assert variance_ratio(name, ESTIMATORS[name], scenes) == pytest.approx(1, abs=0.1)


def test_slow_reference_agrees_with_enumeration(scenes: Scenes) -> None:
    agent, world = cells()
    scene = scenes.slice(0, 1)
    mean, _ = exact_moments(agent, world, scene, lambda value: torch.zeros(world.looks))
    assert torch.allclose(mean, exact_gradient(agent, world, scene), atol=1e-5)


def test_baselines_lower_the_variance(scenes: Scenes) -> None:
    agent, world = cells()
    generator = torch.Generator().manual_seed(5)
    spread = {}
    for name in ("reinforce", "self_critical", "leave_one_out"):
        grads = [
            flat_gradient(agent, ESTIMATORS[name](agent, world, scenes.repeat(16), generator).total)
            for _ in range(300)
        ]
        spread[name] = torch.stack(grads).var(0).sum()
    assert spread["self_critical"] < spread["reinforce"]
    assert spread["leave_one_out"] < spread["reinforce"] / 4  # it also looks four times


# Planted bugs: each is in well-known code.


def undetached(places: Places, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    value = places.draw(generator)
    return value, places.log_prob(value)


def squashed(places: Places, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    value = places.draw(generator).detach()
    return value, places.log_prob(torch.tanh(value))


def with_draw(draw: Callable[..., tuple[Tensor, Tensor]]) -> Callable[..., Loss]:
    def planted(agent: Tiny, world: World, scenes: Scenes, generator: torch.Generator) -> Loss:
        path = rollout(agent, world, scenes, draw, generator)
        return Loss(surrogate(path, credit(path)), path, credit(path))

    return planted


class Squashing(World):
    """Looks fall at tanh of what was drawn."""

    def place(self, location: Tensor) -> Tensor:
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

    agent, world = cells()
    exact = exact_gradient(agent, world, scenes)
    assert z_scores(planted, agent, world, scenes, exact).abs().max() > CAUGHT


def test_catches_the_extra_draw_after_the_last_look(scenes: Scenes) -> None:
    """It biases nothing, it is noise: the variance gives it away."""

    def planted(agent: Tiny, world: World, scenes: Scenes, generator: torch.Generator) -> Loss:
        made: list[Places] = []

        class Listening(Tiny):
            def step(self, state, seen):  # type: ignore[no-untyped-def]
                state, decision = Tiny.step(agent, state, seen)
                made.append(decision.location)
                return state, decision

        listening = Listening.__new__(Listening)
        listening.__dict__ = agent.__dict__
        loss = reinforce(listening, world, scenes, generator)
        _, extra = sample(made[-1], generator)
        noise = (extra * loss.advantage[-1]).mean()
        return loss._replace(total=loss.total + noise)

    assert variance_ratio("reinforce", planted, scenes) > 1.15


def test_catches_a_loss_that_the_looks_are_not_told(scenes: Scenes) -> None:
    """The published hybrid follows the reward alone: not the gradient of E[loss - reward]."""
    agent, world = cells()
    exact = exact_gradient(agent, world, scenes)

    def hybrid(*given: object) -> Loss:
        return reinforce(*given, reward_only=True)  # type: ignore[arg-type]

    assert z_scores(hybrid, agent, world, scenes, exact).abs().max() > CAUGHT


def test_pathwise_refuses_what_it_cannot_differentiate(scenes: Scenes) -> None:
    agent, world = plane(GaussianWindow(2), bonus=0.7)
    with pytest.raises(ValueError, match="bonus=0"):
        pathwise(agent, world, scenes)
    agent, world = cells()
    world.task.bonus, world.task.rewarding = 0.0, False
    with pytest.raises(ValueError, match="no pathwise draw"):
        pathwise(agent, world, scenes)


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_draws_from_its_generator_alone(name: str, scenes: Scenes) -> None:
    agent, world = plane(GaussianWindow(2), bonus=0.0)
    totals = []
    for noise in (6, 7):
        torch.manual_seed(noise)
        generator = torch.Generator().manual_seed(8)
        totals.append(ESTIMATORS[name](agent, world, scenes, generator).total.item())
    assert totals[0] == totals[1]


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_has_a_source_and_says_whether_it_is_biased(name: str) -> None:
    words = inspect.getdoc(ESTIMATORS[name])
    assert words and "iased" in words
