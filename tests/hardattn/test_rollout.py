"""The flow that takes an agent through an episode."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hardattn.agents import RAM
from hardattn.distributions import LocationDistribution, Stop
from hardattn.rollout import Decision, rollout, sample
from hardattn.sensors import GaussianWindow, Retina, Whole
from hardattn.tasks import Classify
from hardattn.world import Observation, World
from tests.support.agents import CLASSES, SIDE, SMALL, build, scenes
from tests.support.exact import Tiny


class Remembering(nn.Module):
    """Another agent, whose observations are kept."""

    def __init__(self, agent: Any):
        super().__init__()
        self.agent, self.seen = agent, []

    def start(self, context: Tensor) -> Any:
        return self.agent.start(context)

    def step(self, state: Any, seen: Observation) -> tuple[Any, Decision]:
        self.seen.append(seen)
        return self.agent.step(state, seen)


@pytest.mark.parametrize("make", [partial(Retina, 3, 2), partial(GaussianWindow, 3), Whole])
def test_what_was_shown_is_what_the_world_shows(make: Any) -> None:
    """To the bit, and at the places that the trajectory tells."""
    sensor = make()
    torch.manual_seed(0)
    world = World(sensor, Classify(CLASSES), 4)
    agent = Remembering(RAM(sensor.shape((1, SIDE, SIDE)), CLASSES, **SMALL, std=2.0))
    path = rollout(agent, world, scenes(), sample, torch.Generator().manual_seed(0))
    assert path.location.abs().max() > 1  # some were asked for beyond the edge
    view = world.open(scenes())
    for look, seen in enumerate(agent.seen):
        again = world.observe(view, world.place(path.location[look]), look)
        assert all(torch.equal(*pair) for pair in zip(seen, again, strict=True))
        assert seen.location.abs().max() <= 1 and (seen.step == look / 4).all()
        assert seen.glimpse.shape[1:] == sensor.shape((1, SIDE, SIDE))
    assert len(agent.seen) == 4


def test_a_place_that_is_none_is_the_centre() -> None:
    world = World(Retina(3), Classify(CLASSES), 1)
    asked = torch.tensor([[torch.nan, 2.0], [torch.inf, -torch.inf], [0.3, -1.0]])
    shown = world.place(asked)
    assert torch.equal(shown, torch.tensor([[0.0, 1.0], [1.0, -1.0], [0.3, -1.0]]))


def test_the_first_place_may_be_given() -> None:
    agent, world = build("ram gru")
    first = torch.linspace(-1, 1, 24).view(12, 2)
    path = rollout(agent, world, scenes(), first=first)
    assert torch.equal(path.location[0], first)
    assert not path.log_prob[0].any() and not path.entropy[0].any()
    assert path.log_prob[1:].all() and path.entropy[1:].all()


@pytest.mark.parametrize(
    "first, context, sees",
    [
        ("random", "none", "never sees the image"),
        ("target", "none", "is told where the target is"),
        ("centre", "target", "is told where the target is"),
    ],
)
def test_a_world_says_what_it_shows(first: str, context: str, sees: str) -> None:
    assert World(Retina(3), Classify(2), 2, first, context).sees((1, 9, 9)) == sees
    with pytest.raises(ValueError, match="at least one look"):
        World(Retina(3), Classify(2), 0, first, context)


@pytest.mark.parametrize("each", [True, False], ids=["each look", "last look"])
@pytest.mark.parametrize("halts", [True, False], ids=["halts", "looks on"])
def test_a_trajectory_is_what_was_drawn(each: bool, halts: bool) -> None:
    """Rebuilt from the distributions and the draws, one by one."""
    looks, count = 5, len(scenes())
    torch.manual_seed(3)
    world = World(Retina(2), Classify(CLASSES, each, bonus=0.5), looks)
    agent = Tiny(4, CLASSES, "gaussian", halts)
    drawn: list[tuple[LocationDistribution, Tensor]] = []

    def recording(
        places: LocationDistribution, generator: torch.Generator | None
    ) -> tuple[Tensor, None]:
        value, told = sample(places, generator)
        drawn.append((places, value))
        return value, told

    with torch.no_grad():
        path = rollout(agent, world, scenes(), recording, torch.Generator().manual_seed(2))
    places = [(one, value) for one, value in drawn if not isinstance(one, Stop)]
    stops = [(one, value) for one, value in drawn if isinstance(one, Stop)]
    # What follows the last look is never drawn.
    assert len(places) == looks - 1 and len(stops) == (looks - 1 if halts else 0)

    alive = torch.ones(count)
    for t in range(looks):
        assert torch.equal(path.alive[t], alive)
        log_prob = torch.zeros(count)
        if t > 0:
            one, value = places[t - 1]
            assert torch.equal(path.location[t], value)
            assert torch.allclose(path.entropy[t], one.entropy() * alive)
            log_prob = log_prob + one.log_prob(value)
        stop = torch.full((count,), float(t + 1 == looks))
        if halts and t + 1 < looks:
            one, stop = stops[t]
            log_prob = log_prob + one.log_prob(stop)
        assert torch.allclose(path.log_prob[t], log_prob * alive, atol=1e-6)
        share = torch.where(stop.bool(), (looks - t) / looks, 1 / looks)
        weight = alive * (share if each else stop)
        loss = nn.functional.cross_entropy(path.logits[t], scenes().target, reduction="none")
        right = (path.logits[t].argmax(-1) == scenes().target).float()
        assert torch.allclose(path.loss[t], weight * loss, atol=1e-6)
        assert torch.allclose(path.reward[t], weight * 0.5 * right)
        alive = alive * (1 - stop)
    assert not alive.any()
    assert (path.alive[1:] <= path.alive[:-1]).all()
    if halts:
        assert 0 < path.alive[-1].sum() < count  # some stopped, some did not
        for field in (path.log_prob, path.entropy, path.cost, path.reward, path.loss):
            assert not field[path.alive == 0].any()
    slow = torch.stack([(path.loss + path.cost - path.reward)[t:].sum(0) for t in range(looks)])
    assert torch.allclose(path.to_go(), slow, atol=1e-6)
