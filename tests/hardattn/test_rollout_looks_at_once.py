"""What a rollout works out for all looks at once is what each look would have said by itself."""

import pytest
import torch
from torch import Tensor

from hardattn.agents import RAM
from hardattn.data import load
from hardattn.distributions import (
    Categorical,
    Gaussian,
    LocationDistribution,
    Uniform,
)
from hardattn.rollout import entropies, log_probs, rollout, sample
from hardattn.scenes import fixed_scenes, translated
from hardattn.sensors import Retina
from hardattn.tasks import Classify
from hardattn.world import World


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def gaussian(seed: int, std: Tensor | float = 0.3, rows: int = 5) -> Gaussian:
    return Gaussian(torch.randn(rows, 2, generator=seeded(seed)), std)


# Of three looks each.
LOOKS: dict[str, list[LocationDistribution]] = {
    "gaussian": [gaussian(seed) for seed in range(3)],
    "spreads that differ": [gaussian(seed, 0.1 + seed) for seed in range(3)],
    "spreads that are tensors": [gaussian(seed, torch.tensor([0.1, 0.7])) for seed in range(3)],
    "widths that differ": [gaussian(seed, rows=5 + seed) for seed in range(3)],
    "kinds that differ": [gaussian(0), Categorical(torch.zeros(5, 2)), Uniform(torch.zeros(5, 1))],
    "cells": [Categorical(torch.randn(5, 4, generator=seeded(seed))) for seed in range(3)],
}


@pytest.mark.parametrize("name", LOOKS)
def test_densities_and_entropies_of_all_looks(name: str) -> None:
    several = LOOKS[name]
    values = [one.draw(seeded(9)) for one in several]
    for made, wanted in (
        (log_probs(several, values), [p.log_prob(v) for p, v in zip(several, values, strict=True)]),
        (entropies(several), [one.entropy() for one in several]),
    ):
        assert len(made) == 3
        for left, right in zip(made, wanted, strict=True):
            assert torch.allclose(left, right, atol=1e-6)
    assert isinstance(log_probs(several, values), Tensor) == (
        name in ("gaussian", "spreads that differ", "spreads that are tensors")
    )


def told(places: LocationDistribution, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """`sample`, which says the density itself."""
    value = places.draw(generator).detach()
    return value, places.log_prob(value)


def test_a_draw_may_leave_its_density_to_the_rollout() -> None:
    """All of them, none, or every other one: the same trajectory and the same gradient."""
    scenes = fixed_scenes(lambda *given: translated(*given, canvas=12), load("digits").test, 1)
    world = World(Retina(4), Classify(10, each=True, bonus=1.0), 4)
    torch.manual_seed(0)
    agent, found = RAM((1, 4, 4), 10, hidden=16, what=8, where=8), []
    turn = iter(range(100))

    def now_and_then(
        places: LocationDistribution, generator: torch.Generator | None
    ) -> tuple[Tensor, ...]:
        return (told if next(turn) % 2 else sample)(places, generator)  # type: ignore[return-value]

    for draw in (sample, told, now_and_then):
        path = rollout(agent, world, scenes.slice(0, 20), draw, seeded())  # type: ignore[arg-type]
        total = (path.log_prob * path.loss.detach()).sum()
        found.append([*path, *torch.autograd.grad(total, list(agent.locator.parameters()))])
    for other in found[1:]:
        for left, right in zip(found[0], other, strict=True):
            assert torch.allclose(left, right, atol=1e-5)
    assert torch.equal(found[0][1][0], torch.zeros(20))  # nobody draws the first place
