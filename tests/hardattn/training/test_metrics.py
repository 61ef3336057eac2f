"""What a training counts: nothing is read back at an update, and what is not finite stops it."""

import math
import os
import signal
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from hardattn.estimators import ESTIMATORS, Loss
from hardattn.problem import Problem
from hardattn.training import loop
from hardattn.training.interrupt import Stopped
from hardattn.training.log import Log
from hardattn.training.loop import train
from hardattn.training.metrics import NotFinite, TrainingMetrics
from hardattn.training.optimizers import OPTIMIZERS
from hardattn.training.options import TrainOptions
from tests.support.training import (
    BATCH,
    EVERY,
    UPDATES,
    agent_of,
    answers,
    before_update,
    digits,
    learn,
    outcome,
    problem,
    same,
)


@pytest.mark.parametrize("optimiser", list(OPTIMIZERS))
@pytest.mark.parametrize("at", [0, 1, 7])
@pytest.mark.parametrize("plant", ["nan", "inf", "gradient"])
def test_stops_before_an_update_that_is_not_finite(
    tmp_path: Path, optimiser: str, at: int, plant: str
) -> None:
    world, make, validation = problem()
    agent = agent_of(0)
    seen: list[list[Tensor]] = []
    passes = 2 if optimiser == "sam" else 1

    def planted(*given: Any) -> Loss:
        seen.append([weight.detach().clone() for weight in agent.parameters()])
        loss = ESTIMATORS["learned_baseline"].make(*given)
        if (len(seen) - 1) // passes == at:
            total = loss.total * {"nan": math.nan, "inf": math.inf, "gradient": 1.0}[plant]
            if plant == "gradient":  # 0 forward, 0 / 0 backward
                total = total + (agent.classifier.bias * 0).sum().sqrt()
                assert total.isfinite()
            loss = loss._replace(total=total)
        return loss

    log = Log(tmp_path, quiet=True, every=5)
    with pytest.raises(NotFinite, match=f"at update {at + 1};"):
        train(
            agent,
            Problem(world, make, digits().classes),
            planted,
            digits(),
            validation,
            tmp_path,
            TrainOptions(
                images=UPDATES * BATCH,
                batch_size=BATCH,
                optimizer=optimiser,
                validate_every=EVERY * BATCH,
                warmup=0,
                weight_decay=0.1,
            ),
            log=log,
        )
    log.close()
    seen = seen[::passes]  # the second is of weights that are only tried
    assert len(seen) > at + 1  # it was noticed later, and yet nothing moved
    now = [weight.detach() for weight in agent.parameters()]
    assert all(same(each, now) for each in seen[at:])
    assert all(weight.isfinite().all() for weight in now)
    assert at == 0 or not same(seen[at - 1], now)


def test_the_update_is_named_after_a_restart_too(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        strike = partial(os.kill, os.getpid(), signal.SIGTERM)
        learn(tmp_path, estimator=before_update(7, strike))
    calls = iter(range(10**9))

    def planted(*given: Any) -> Loss:
        loss = ESTIMATORS["learned_baseline"].make(*given)
        return loss._replace(total=loss.total * math.nan) if next(calls) == 3 else loss

    with pytest.raises(NotFinite, match="at update 12;"):
        learn(tmp_path, estimator=planted)
    learn(tmp_path / "whole")
    learn(tmp_path)  # from the checkpoint before, as if nothing had been
    parts, whole = outcome(tmp_path), outcome(tmp_path / "whole")
    assert same(parts, whole)


class ReadBacks(TorchDispatchMode):
    """Counts what makes the host wait for a device: values read, shapes that hang on values."""

    waits = (
        "_local_scalar_dense",
        "is_nonzero",
        "equal",
        "nonzero",
        "masked_select",
        "_unique2",
        "bincount",
    )

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        name = function._schema.name.removeprefix("aten::")
        if name in self.waits:
            self.counts[name] += 1
        return function(*args, **(kwargs or {}))


@pytest.fixture
def read_backs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Counts of read-backs while the test runs, whichever way they are asked for."""
    with ReadBacks() as mode:
        for name in ("tolist", "numpy", "cpu", "__array__"):
            real = getattr(Tensor, name)

            def counted(*given: Any, real: Any = real, name: str = name, **named: Any) -> Any:
                mode.counts[name] += 1
                return real(*given, **named)

            monkeypatch.setattr(Tensor, name, counted)
        yield mode.counts


@pytest.mark.parametrize(
    "estimator", ["reinforce", "learned_baseline", "self_critical", "leave_one_out"]
)
@pytest.mark.parametrize("optimiser", list(OPTIMIZERS))
def test_an_update_reads_nothing_back(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    read_backs: Counter[str],
    estimator: str,
    optimiser: str,
) -> None:
    monkeypatch.setattr(loop, "evaluate", lambda *given: answers(3))
    counts = []
    for updates in (3, 12):
        read_backs.clear()
        folder = tmp_path / str(updates)
        options: dict[str, Any] = dict(
            images=updates * BATCH, optimizer=optimiser, max_grad_norm=1.0, validate_every=10**9
        )
        log = Log(folder, quiet=True, every=1000)
        learn(folder, estimator=ESTIMATORS[estimator].make, log=log, **options)
        counts.append(dict(read_backs))
    assert counts[0] == counts[1] and counts[0]  # those of one validation, and no more


def test_read_backs_are_noticed(read_backs: Counter[str]) -> None:
    one = torch.ones(2)
    for read in (lambda: one[0].item(), lambda: bool(one[0]), lambda: float(one[0]), one.tolist):
        before = read_backs.total()
        read()
        assert read_backs.total() > before


def test_a_checkpoint_of_before_there_were_spans_is_taken_up() -> None:
    tally = TrainingMetrics(torch.device("cpu"))
    sums, count = torch.arange(7.0), torch.tensor(2.0)
    tally.take_up({"sums": sums, "count": count}, 5)
    assert list(tally.means().values()) == (sums / 2).tolist() and int(tally.sound) == 5
