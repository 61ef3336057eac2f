"""Tiny worlds in which the exact gradient is known, and how far an estimate is from it."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from hardattn.estimators import ESTIMATORS, Loss
from hardattn.scenes import Scenes
from hardattn.sensors import Cells, GaussianWindow, Patches, Retina
from hardattn.tasks import Classify
from hardattn.world import World
from tests.support.exact import Tiny, enumerate_episodes, flat_gradient

Setting = tuple[Tiny, World]
CLASSES = 3
UNBIASED = 5.0  # standard errors; the largest of ~100 weights exceeds it once in 20,000 seeds
CAUGHT = 8.0


def three() -> Scenes:
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(256, (3, 1, 4, 4), generator=generator, dtype=torch.uint8)
    box = torch.tensor([-1.0, -1.0, 0.0, 0.0]).expand(3, 1, 4)
    return Scenes(image, torch.arange(3), box, torch.arange(3))


def points(each: bool = True, halts: bool = False, looks: int = 3, bonus: float = 0.7) -> Setting:
    """Three looks at four quadrants: sixteen episodes a scene, with cost, loss and reward."""
    torch.manual_seed(1)
    world = World(Retina(2), Classify(CLASSES, each, bonus=bonus), looks, first="centre")
    return Tiny(4, CLASSES, "points", halts), world


def cells(bonus: float = 0.0, looks: int = 2, each: bool = False) -> Setting:
    """Two looks through weights over four cells: hard where one-hot, soft where not."""
    torch.manual_seed(6)
    world = World(Cells(2, 2), Classify(CLASSES, each, bonus=bonus), looks, first="centre")
    return Tiny(4, CLASSES, "cells"), world


def patches(bonus: float = 0.7) -> Setting:
    """Two looks at an image of which a mask of four patches is shown."""
    torch.manual_seed(7)
    world = World(Patches(2, 2), Classify(CLASSES, bonus=bonus), 2, first="centre")
    return Tiny(16, CLASSES, "mask"), world


class Blind(GaussianWindow):
    """A smooth sensor that no gradient passes, so that only the score function can learn."""

    def look(self, view: Tensor, place: Tensor) -> Tensor:
        return super().look(view, place.detach())


def plane(sensor: GaussianWindow, bonus: float = 0.7) -> Setting:
    """Two looks, the second drawn from a Gaussian: the expectation is an integral over a plane."""
    torch.manual_seed(2)
    world = World(sensor, Classify(CLASSES, each=True, bonus=bonus), 2, first="centre")
    return Tiny(4, CLASSES, "gaussian"), world


def weights() -> Setting:
    """Two looks, the second through drawn weights over two cells: an integral over a line."""
    torch.manual_seed(3)
    world = World(Cells(1, 2), Classify(CLASSES), 2, first="centre")
    return Tiny(8, CLASSES, "weights"), world


def make(name: str, agent: nn.Module, world: World, **options: object) -> Callable[..., Loss]:
    """The estimator of that name; a module is made, and keeps still."""
    made = ESTIMATORS[name].build(agent, world, **options)
    return made.eval() if isinstance(made, nn.Module) else made


def estimates(
    estimator: Callable[..., Loss],
    agent: nn.Module,
    world: World,
    scenes: Scenes,
    calls: int,
    copies: int,
    seed: int = 3,
) -> Tensor:
    """(calls, weights)."""
    generator = torch.Generator().manual_seed(seed)
    many = scenes.repeat(copies)
    return torch.stack(
        [flat_gradient(agent, estimator(agent, world, many, generator).total) for _ in range(calls)]
    )


def z_scores(
    estimator: Callable[..., Loss],
    agent: nn.Module,
    world: World,
    scenes: Scenes,
    exact: Tensor,
    calls: int = 200,
    copies: int = 64,
) -> Tensor:
    """(weights,): how many standard errors the mean estimate is from the exact gradient."""
    found = estimates(estimator, agent, world, scenes, calls, copies)
    error = found.std(0) / calls**0.5
    noiseless = error < 1e-7
    assert torch.allclose(found.mean(0)[noiseless], exact[noiseless], atol=1e-5)
    return ((found.mean(0) - exact) / error)[~noiseless]


def likelihood(agent: Tiny, world: World, scenes: Scenes) -> tuple[Tensor, Tensor]:
    """(B, E) probability of each episode and exp(-loss - cost) of it."""
    path, probability = enumerate_episodes(agent, world, scenes)
    fit = (-(path.loss + path.cost).sum(0)).exp()
    return probability.unflatten(0, (len(scenes), -1)), fit.unflatten(0, (len(scenes), -1))


def bias(name: str, exact: Tensor, setting: Setting, scenes: Scenes, **options: object) -> float:
    """Distance of the mean estimate from `exact`, relative to it."""
    agent, world = setting
    found = estimates(make(name, agent, world, **options), agent, world, scenes, 120, 32).mean(0)
    return ((found - exact).norm() / exact.norm()).item()


def generator_of(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
