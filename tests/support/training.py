"""A small real training, and what tests do to it."""

import os
import signal
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from hardattn import storage
from hardattn.agents import RAM
from hardattn.data import Dataset, load
from hardattn.estimators import ESTIMATORS, Loss
from hardattn.evaluation.evaluate import Columns
from hardattn.problem import Problem
from hardattn.scenes import Scenes, fixed_scenes, translated
from hardattn.sensors import Retina
from hardattn.tasks import Classify
from hardattn.training import checkpoint
from hardattn.training.distributed import ALONE, Ranks
from hardattn.training.log import Log
from hardattn.training.loop import Training, TrainingResult, train
from hardattn.training.options import TrainOptions
from hardattn.world import World

BATCH, UPDATES, EVERY = 16, 24, 6


Estimator = Callable[..., Loss]


@lru_cache
def digits() -> Dataset:
    return load("digits")


@lru_cache
def problem() -> tuple[World, Callable[..., Scenes], Scenes]:
    make = partial(translated, canvas=12)
    world = World(Retina(4, 2), Classify(10, each=True), 3)
    return world, make, fixed_scenes(make, digits().validation, 1).slice(0, 60)


def agent_of(seed: int) -> RAM:
    torch.manual_seed(seed)
    return RAM((2, 4, 4), 10, core="gru", hidden=16, what=16, where=16)


def learn(
    folder: Path,
    seed: int = 0,
    estimator: Estimator = ESTIMATORS["learned_baseline"].make,
    log: Log | None = None,
    ranks: Ranks = ALONE,
    **options: Any,
) -> tuple[TrainingResult, RAM]:
    """A small real training. It ends in `folder`, or goes on there."""
    world, make, validation = problem()
    agent = agent_of(seed)
    defaults: dict[str, Any] = dict(
        images=UPDATES * BATCH, batch_size=BATCH, validate_every=EVERY * BATCH, warmup=3, lr=1e-2
    )
    log = log or Log(folder, quiet=True)
    try:
        trained = train(
            agent,
            Problem(world, make, digits().classes),
            estimator,
            digits(),
            validation,
            folder,
            TrainOptions(**(defaults | options)),
            seed=seed,
            log=log,
            ranks=ranks,
        )
    finally:
        log.close()
    return trained, agent


def begun(
    folder: Path, name: str = "learned_baseline", device: str = "cpu", **options: Any
) -> Training:
    """A small real training of 15 updates at least, before the first."""
    world, make, _ = problem()
    torch.manual_seed(0)
    narrowing = RAM((2, 4, 4), 10, core="gru", hidden=16, what=16, where=16, std_end=0.05)
    agent = narrowing.to(device)
    estimator = ESTIMATORS[name].build(agent, world)
    settings: dict[str, Any] = dict(images=15 * BATCH, batch_size=BATCH, warmup=3, lr=1e-2)
    given = (agent, Problem(world, make, digits().classes), estimator, digits().to(device), folder)
    run = Training(*given, TrainOptions(**(settings | options)), 0, capture=False)
    for each in run.learners.values():
        each.train()
    return run


def left(run: Training) -> dict[str, Any]:
    """All that it has learned and told."""
    return {
        **{name: each.state_dict() for name, each in run.learners.items()},
        "optimizer": run.optimizer.state_dict(),
        # Of a single look nobody can say whether it hit.
        "tally": {name: one.nan_to_num() for name, one in run.metrics.state().items()},
    }


def same(left: Any, right: Any) -> bool:
    """Equal to the bit, tensors and all that holds them."""
    if isinstance(left, Tensor):
        return left.dtype == right.dtype and torch.equal(left, right)
    if isinstance(left, dict | MappingProxyType):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right


def outcome(folder: Path) -> dict[str, Any]:
    """All that a training leaves, but for the time it took."""
    found = checkpoint.latest(folder / "checkpoints")
    assert found is not None
    step, state = found
    del state["seconds"], state["cpu_seconds"]
    best = storage.read(folder / "best.pt")
    return {
        "step": step,
        "last": state,
        "best": best,
        "log": (folder / "metrics.jsonl").read_text(),
    }


def before_update(number: int, act: Callable[[], Any]) -> Estimator:
    """The learned baseline; `act` is called in the middle of that update, counted from 0."""
    count = iter(range(10**9))

    def estimator(*given: Any) -> Loss:
        if next(count) == number:
            act()
        return ESTIMATORS["learned_baseline"].make(*given)

    return estimator


class Interrupted(nn.Module):
    """An estimator, module or not, that is sent SIGTERM in the middle of one of its calls."""

    def __init__(self, inner: Any, number: int):
        super().__init__()
        self.inner, self.left = inner, number

    def forward(self, *given: Any) -> Loss:
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGTERM)
        self.left -= 1
        return self.inner(*given)


def struck(function: Callable[..., Any], call: int, act: Callable[[], Any]) -> Callable[..., Any]:
    """`function`, which acts as well at that call, counted from 1."""
    count = iter(range(1, 10**9))

    def wrapped(*given: Any, **named: Any) -> Any:
        if next(count) == call:
            act()
        return function(*given, **named)

    return wrapped


def answers(right: int, count: int = 10) -> Columns:
    """Columns of so many right answers."""
    logits = torch.zeros(count, 3, 2)
    logits[:right, :, 0], logits[right:, :, 1] = 1, 1
    none = torch.zeros(count, dtype=torch.long)
    looks = torch.full((count,), 3)
    blank = torch.zeros(count, 3)
    place = torch.zeros(count, 3, 2)
    return Columns(logits.log_softmax(-1), place, blank.bool(), blank, looks, none, none)
