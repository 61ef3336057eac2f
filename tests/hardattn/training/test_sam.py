"""SAM: its gradient in closed form, its second pass on the draws of the first, what it keeps."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hardattn.agents import RAM, Scripted
from hardattn.data import Dataset
from hardattn.estimators import ESTIMATORS, Loss
from hardattn.rollout import Trajectory
from hardattn.scenes import Scenes
from hardattn.training.loop import OPTIMISERS, Stopped
from hardattn.training.sam import SAM
from tests.hardattn.training.test_loop import (
    BATCH,
    Interrupted,
    agent_of,
    digits,
    learn,
    outcome,
    problem,
    same,
)

ROW = torch.zeros(1, 1)
NOWHERE = Trajectory(ROW[..., None], ROW, ROW, ROW[..., None], *[ROW] * 5)
RHO = 0.3


class Bowl(nn.Module):
    """The loss (w - noise)' A (w - noise) / 2; counts its calls, as batch norm counts its own."""

    calls: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor([3.0, -4.0], dtype=torch.float64))
        self.spare = nn.Parameter(torch.ones(2))
        self.register_buffer("calls", torch.zeros(()))
        self.curve = torch.diag(torch.tensor([1.0, 2.0], dtype=torch.float64))

    def loss(self, noise: Tensor | float = 0.0) -> Loss:
        self.calls += 1
        away = self.w - noise
        return Loss(away @ self.curve @ away / 2, NOWHERE, ROW)


def sam(model: nn.Module, rho: float = RHO) -> SAM:
    return OPTIMISERS["sam"](list(model.parameters()), 0.1, 0.9, 0.0, rho)


def test_the_gradient_on_a_quadratic() -> None:
    bowl = Bowl()
    before = bowl.w.detach().clone()
    loss = sam(bowl).gradient(bowl.loss, [bowl], torch.Generator())
    # g = A w = (3, -8), and the gradient is A (w + rho g / |g|).
    norm = math.sqrt(73)
    wanted = [3 + RHO * 3 / norm, -8 - 2 * RHO * 8 / norm]
    assert bowl.w.grad is not None and bowl.w.grad.tolist() == pytest.approx(wanted, abs=1e-12)
    assert torch.equal(bowl.w, before) and bowl.spare.grad is None
    assert loss.total.item() == pytest.approx((9 + 2 * 16) / 2)
    assert bowl.calls == 1  # two passes, and what is kept beside weights moved on once


def test_at_the_bottom_it_stays() -> None:
    bowl = Bowl()
    with torch.no_grad():
        bowl.w.zero_()
    sam(bowl).gradient(bowl.loss, [bowl], torch.Generator())
    assert bowl.w.grad is not None and bowl.w.grad.tolist() == [0, 0]


@pytest.mark.parametrize("source", ["generator", "global"])
def test_both_passes_have_the_same_noise_and_the_next_update_another(source: str) -> None:
    bowl, generator = Bowl(), torch.Generator().manual_seed(1)
    seen: list[Tensor] = []

    def look() -> Loss:
        seen.append(torch.randn(2, generator=generator if source == "generator" else None))
        return bowl.loss(seen[-1])

    descent = sam(bowl)
    for _ in range(2):
        descent.gradient(look, [bowl], generator)
    assert torch.equal(seen[0], seen[1]) and torch.equal(seen[2], seen[3])
    assert not torch.equal(seen[1], seen[2])


def watched(name: str = "learned_baseline") -> tuple[Callable[..., Loss], list[Any]]:
    """An estimator, and what it was given and where it looked, call by call."""
    calls: list[Any] = []

    def estimator(agent: Any, world: Any, scenes: Scenes, generator: torch.Generator) -> Loss:
        loss = ESTIMATORS[name](agent, world, scenes, generator)
        calls.append((scenes.image, world.place(loss.path.location.detach())))
        return loss

    return estimator, calls


def random_looks(seed: int) -> Scripted:
    return Scripted(agent_of(seed), "random", 3)


def test_the_second_pass_draws_the_same_looks_at_the_same_scenes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of a script to the bit; those of a policy move with its mean alone."""
    for made, most in ((random_looks, 0.0), (agent_of, 0.02)):
        monkeypatch.setattr("tests.hardattn.training.test_loop.agent_of", made)
        estimator, calls = watched()
        folder = tmp_path / made.__name__
        learn(folder, estimator=estimator, optimizer="sam", images=4 * BATCH, rho=0.01)
        assert len(calls) == 8
        for (image, place), (again, moved) in zip(calls[::2], calls[1::2], strict=True):
            assert torch.equal(image, again)
            assert torch.equal(place[0], moved[0]) and (place - moved).abs().max() <= most
        assert (calls[0][1] - calls[2][1]).abs().max() > 0.5


def test_noise_that_is_not_rewound_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug."""
    monkeypatch.setattr("tests.hardattn.training.test_loop.agent_of", random_looks)
    estimator, calls = watched()

    class Forward(torch.Generator):
        def set_state(self, state: Tensor) -> "Forward":
            return self

    monkeypatch.setattr("hardattn.training.loop.torch.Generator", Forward)
    learn(tmp_path, estimator=estimator, optimizer="sam", images=BATCH)
    assert not torch.equal(calls[0][1], calls[1][1])


@pytest.mark.parametrize("name", ["moving_average", "nvil", "ppo", "snes"])
def test_an_estimator_that_remembers_or_looks_again_resumes_exactly(
    tmp_path: Path, name: str
) -> None:
    def made() -> Any:
        one = ESTIMATORS[name]
        torch.manual_seed(0)
        return one(agent_of(0), problem()[0]) if isinstance(one, type) else one

    options: dict[str, Any] = {"optimizer": "sam", "rho": 0.1}
    learn(tmp_path / "whole", estimator=Interrupted(made(), -1), **options)
    with pytest.raises(Stopped):
        learn(tmp_path / "parts", estimator=Interrupted(made(), 15), **options)
    learn(tmp_path / "parts", estimator=Interrupted(made(), -1), **options)
    assert same(outcome(tmp_path / "parts"), outcome(tmp_path / "whole"))


def test_what_looks_again_is_seen_twice_at_each_epoch(tmp_path: Path) -> None:
    """PPO's four epochs look at the places that were drawn before weights moved."""
    estimator, calls = watched("ppo")
    learn(tmp_path / "sam", estimator=estimator, optimizer="sam", images=3 * BATCH)
    assert len(calls) == 6  # the other epochs do not ask the estimator
    learn(tmp_path / "plain", estimator=ESTIMATORS["ppo"], optimizer="adamw", images=3 * BATCH)
    found = [outcome(tmp_path / kind)["last"] for kind in ("sam", "plain")]
    steps = [one["optimiser"]["state"][0]["step"].item() for one in found]
    assert steps == [12, 12] and not same(found[0]["agent"], found[1]["agent"])


def test_a_baseline_moves_once_an_update() -> None:
    """Its second pass begins with the mean that the first one began with."""
    world, make, _ = problem()
    data: Dataset = digits()
    agent = agent_of(0)
    twin: RAM = agent_of(0)
    scenes = make(data.train, torch.arange(BATCH), torch.Generator().manual_seed(3))
    baselines = [ESTIMATORS["moving_average"](each, world) for each in (agent, twin)]
    generator = torch.Generator().manual_seed(4)
    sam(agent).gradient(
        lambda: baselines[0](agent, world, scenes, generator), [agent, baselines[0]], generator
    )
    baselines[1](twin, world, scenes, torch.Generator().manual_seed(4))
    states = [baseline.state_dict() for baseline in baselines]
    assert states[0] and same(dict(states[0]), dict(states[1]))


def test_with_no_way_uphill_it_is_adamw(tmp_path: Path) -> None:
    learn(tmp_path / "sam", optimizer="sam", rho=0.0, weight_decay=0.1)
    learn(tmp_path / "adamw", optimizer="adamw", weight_decay=0.1)
    learn(tmp_path / "penalty", optimizer="adam", weight_decay=0.1)
    agents = [outcome(tmp_path / name)["last"]["agent"] for name in ("sam", "adamw", "penalty")]
    assert same(agents[0], agents[1]) and not same(agents[1], agents[2])


def test_without_decay_adam_is_adamw(tmp_path: Path) -> None:
    for name in ("adam", "adamw"):
        learn(tmp_path / name, optimizer=name)
    assert same(*(outcome(tmp_path / name)["best"] for name in ("adam", "adamw")))
