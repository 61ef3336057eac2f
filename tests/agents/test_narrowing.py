"""A spread that falls: by the formula, kept with the weights, and as before where it is fixed."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from hardattn.agents import AGENTS, DRAM, RAM, SpreadRAM
from hardattn.estimators import ESTIMATORS
from hardattn.training import loop
from hardattn.world import Observation
from tests.support import training
from tests.support.training import Interrupted, learn, outcome, same

SMALL = {"hidden": 8}


def spread(agent: Any) -> float:
    """Of the policy that a look ends in."""
    seen = Observation(torch.zeros(1, 1, 4, 4), torch.zeros(1, 2), torch.zeros(1))
    state = agent.start(torch.zeros(1, 0))
    return agent.step(state, seen)[1].location.stddev[0, 0].item()


@pytest.mark.parametrize("kind", [RAM, DRAM])
def test_the_spread_falls_geometrically_from_where_it_is_told_to(kind: Any) -> None:
    agent = kind((1, 4, 4), 3, std=0.2, std_end=0.05, std_from=0.5, **SMALL)
    assert spread(agent) == pytest.approx(0.2)
    for share, wanted in ((0.2, 0.2), (0.5, 0.2), (0.75, 0.1), (1.0, 0.05), (0.625, 0.2 / 2**0.5)):
        agent.anneal(share)
        assert spread(agent) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("kind", [RAM, DRAM])
def test_a_fixed_spread_is_a_number_that_nothing_moves(kind: Any) -> None:
    agent = kind((1, 4, 4), 3, std=0.2, **SMALL)
    agent.anneal(0.9)
    assert agent.std == 0.2 and "std" not in agent.state_dict()


def test_an_agent_that_is_read_back_draws_as_it_did() -> None:
    agent, other = (RAM((1, 4, 4), 3, std=0.2, std_end=0.05, hidden=8) for _ in range(2))
    agent.anneal(0.5)
    other.load_state_dict(agent.state_dict())
    assert spread(other) == pytest.approx(0.1)


def test_spreads_that_cannot_fall_are_refused() -> None:
    for options in ({"std_end": 0.0}, {"std_end": -1.0}, {"std_end": 0.1, "std_from": 1.0}):
        with pytest.raises(ValueError, match="a spread falls"):
            RAM((1, 4, 4), 3, **SMALL, **options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="use no std_end"):
        SpreadRAM((1, 4, 4), 3, std_end=0.1, **SMALL)  # type: ignore[arg-type]
    assert AGENTS["ram"].make is RAM


def test_the_loop_tells_how_much_is_over_and_resumes_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def narrowing(seed: int) -> RAM:
        torch.manual_seed(seed)
        small = {"core": "gru", "hidden": 16, "what": 16, "where": 16}
        return RAM((2, 4, 4), 10, std=0.2, std_end=0.05, **small)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "agent_of", narrowing)
    estimator = ESTIMATORS["learned_baseline"].make
    learn(tmp_path / "whole")
    with pytest.raises(loop.Stopped):
        learn(tmp_path / "parts", estimator=Interrupted(estimator, 9))
    learn(tmp_path / "parts")
    whole = outcome(tmp_path / "whole")
    assert same(outcome(tmp_path / "parts"), whole)
    last = (training.UPDATES - 1) / training.UPDATES
    found = whole["last"]["agent"]["std"].item()
    assert math.isclose(found, 0.2 * 0.25**last, rel_tol=1e-5)
