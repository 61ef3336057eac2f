"""Expectations over every episode: exact, and no dearer than they must be."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import nn

from hardattn.agents import Scripted, ShowAttendTell, Variational
from hardattn.estimators import ESTIMATORS
from hardattn.rollout import rollout
from hardattn.scenes import Scenes
from hardattn.sensors import Cells, GaussianWindow
from hardattn.tasks import Classify
from hardattn.world import World
from tests.support.estimators import (
    CLASSES,
    Setting,
    cells,
    likelihood,
    patches,
    plane,
    points,
    three,
)
from tests.support.exact import exact_gradient, flat_gradient


@pytest.fixture
def scenes() -> Scenes:
    return three()


@pytest.mark.parametrize("setting", [points, cells, patches, partial(points, False, True)])
def test_enumeration_is_exact(setting: Callable[..., Setting], scenes: Scenes) -> None:
    agent, world = setting()
    loss = ESTIMATORS["enumerated"].make(agent, world, scenes)
    exact = exact_gradient(agent, world, scenes)
    assert torch.allclose(flat_gradient(agent, loss.total), exact, atol=1e-5)


def test_enumeration_refuses_too_many_episodes_and_places_without_number(scenes: Scenes) -> None:
    agent, world = points()
    with pytest.raises(ValueError, match="16 episodes"):
        ESTIMATORS["enumerated"].make(agent, world, scenes, limit=15)
    agent, world = plane(GaussianWindow(2))
    with pytest.raises(ValueError, match="too many values"):
        ESTIMATORS["enumerated"].make(agent, world, scenes)


@pytest.mark.parametrize("halts, wanted", [(False, [3, 12, 48]), (True, [3, 24, 192])])
def test_enumeration_computes_what_episodes_share_once(
    halts: bool, wanted: list[int], scenes: Scenes
) -> None:
    """Of three scenes and four places the second look is one of 12, and the third one of 48."""
    agent, world = points(each=False, halts=halts)
    stepped: list[int] = []
    agent.core.register_forward_hook(lambda net, given, made: stepped.append(len(made)))
    path = ESTIMATORS["enumerated"].make(agent, world, scenes).path
    assert stepped == wanted and path.alive.shape == (3, wanted[-1])


def attending(name: str) -> tuple[nn.Module, World]:
    """An agent that encodes the whole image before it looks at one of four cells, then another."""
    torch.manual_seed(8)
    looks = 2 if name == "variational" else 3
    world = World(Cells(2, 2), Classify(CLASSES), looks, first="centre", context="whole")
    options = dict(context=(1, 4, 4), features=8, hidden=8)
    if name == "variational":
        return Variational((1, 2, 2), CLASSES, **options), world
    agent = ShowAttendTell((1, 2, 2), CLASSES, looks=looks, doubly=0.1, **options)
    return agent if name == "show" else Scripted(agent, "raster", looks, world.sensor), world


@pytest.mark.parametrize("name", ["variational", "show", "scripted"])
def test_enumeration_branches_whatever_an_agent_carries(name: str, scenes: Scenes) -> None:
    agent, world = attending(name)
    loss = ESTIMATORS["enumerated"].make(agent, world, scenes)
    if name == "scripted":
        path = rollout(agent, world, scenes)
        exact = flat_gradient(agent, (path.loss + path.cost).sum(0).mean())
    else:
        exact = exact_gradient(agent, world, scenes)
    assert torch.allclose(flat_gradient(agent, loss.total), exact, atol=1e-6)


@pytest.mark.parametrize(
    "name, whose",
    [
        ("enumerated", "variational"),
        ("enumerated", "show"),
        ("marginal_likelihood", "variational"),
        ("marginal_likelihood", "show"),
        ("variational_enumerated", "variational"),
    ],
)
def test_enumeration_encodes_each_image_once(name: str, whose: str, scenes: Scenes) -> None:
    agent, world = attending(whose)
    encoded: list[int] = []
    agent.encoder.register_forward_hook(lambda net, given, made: encoded.append(len(made)))
    loss = ESTIMATORS[name].make(agent, world, scenes)
    assert encoded == [len(scenes)]
    assert loss.path.loss.shape[1] == len(scenes) * 4 ** (world.looks - 1)


def test_marginal_likelihood_is_exact(scenes: Scenes) -> None:
    agent, world = points(bonus=0.0)
    probability, fit = likelihood(agent, world, scenes)
    exact = flat_gradient(agent, -(probability * fit).sum(1).log().mean())
    loss = ESTIMATORS["marginal_likelihood"].make(agent, world, scenes)
    assert torch.allclose(flat_gradient(agent, loss.total), exact, atol=1e-5)
