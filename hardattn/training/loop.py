"""THE loop: every agent, hard or soft, learns here.

All randomness of update k is a function of (seed, k): no generator's state has to survive a
restart, and a run that is killed and repeated ends in the same weights, bit for bit.
"""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import nn

from hardattn import storage
from hardattn.data import Dataset
from hardattn.estimators import Loss
from hardattn.evaluation.evaluate import evaluate
from hardattn.evaluation.metrics import error, figures
from hardattn.problem import Problem
from hardattn.rng import mix, shuffled
from hardattn.rollout import Agent, Draw, greedy
from hardattn.scenes import Scenes
from hardattn.training import checkpoint
from hardattn.training.interrupt import Stopped, signals
from hardattn.training.log import Log
from hardattn.training.metrics import Stopwatch, TrainingMetrics
from hardattn.training.optimizers import OPTIMIZERS, SCHEDULES
from hardattn.training.options import TrainOptions
from hardattn.training.sam import SAM


class TrainingResult(NamedTuple):
    """What a finished training leaves in memory; `agent` itself holds the best weights."""

    images: int
    spent: Stopwatch
    best_images: int
    curve: list[tuple[int, float]]  # (images seen, validation error of the greedy policy)


def train(
    agent: nn.Module,
    problem: Problem,
    estimator: Callable[..., Loss],
    dataset: Dataset,
    validation: Scenes,
    folder: Path,
    options: TrainOptions,
    *,
    seed: int = 0,
    draw: Draw = greedy,
    log: Log | None = None,
) -> TrainingResult:
    """Descend `estimator` on fresh scenes until enough images were seen, and keep some weights.

    Args:
        agent: Ends with the weights that are kept.
        problem: The world that is looked at, and how its scenes are made.
        estimator: Makes the loss of an update; one that is a module learns and is kept as the
            agent.
        dataset: Whose training images the scenes are made of.
        validation: The scenes by which weights are chosen.
        folder: Where checkpoints go, and where a run that was stopped is taken up again.
        options: How the weights are found.
        seed: Of the order of the images, the scenes and the looks.
        draw: How to look in validation.
        log: Whom to tell; by default one that writes to the folder.

    Raises ValueError where the world tells where targets are and nobody knows it, NotFinite before
    a non-finite update, Stopped after a signal, CheckpointError.
    """
    world, lr, batch = problem.world, options.lr, options.batch_size
    world.check(validation)
    device = dataset.train.images.device
    learners = {"agent": agent}
    if isinstance(estimator, nn.Module):
        learners["estimator"] = estimator.to(device)
    weights = [weight for each in learners.values() for weight in each.parameters()]
    row = OPTIMIZERS[options.optimizer]
    rho = {} if options.rho is None else {"rho": options.rho}
    descent = row(weights, lr, options.momentum, options.weight_decay, **rho)
    generator = torch.Generator(device)
    updates = math.ceil(options.images / batch)
    every = max(1, math.ceil(options.validate_every / batch))
    tally = TrainingMetrics(device)
    done, spent, curve = _resume(folder, device, learners, descent, tally)
    log = log or Log(folder)
    log.start(done * batch, updates * batch, spent.seconds)

    seen = done * batch
    for each in learners.values():
        each.train()
    with signals() as asked:
        spent.start()
        for update in range(done, updates):
            torch.manual_seed(mix(seed, update, 1))
            generator.manual_seed(mix(seed, update, 2))
            share = update / updates
            rate = SCHEDULES[options.schedule](share)
            rate *= min(1.0, (update + 1) / (options.warmup + 1))
            here = world.upto(looks_after(share, options.curriculum, world.looks))
            for group in descent.param_groups:
                group["lr"] = lr * rate

            index = shuffled(len(dataset.train), update, batch, seed, device)
            scenes = problem.make(dataset.train, index, generator)
            look: Callable[[], Loss] | None = partial(estimator, agent, here, scenes, generator)
            while look is not None:
                if isinstance(descent, SAM):
                    loss = descent.gradient(look, learners.values(), generator)
                else:
                    loss = look()
                    descent.zero_grad(set_to_none=True)
                    loss.total.backward()
                norm = nn.utils.clip_grad_norm_(weights, options.max_grad_norm)
                tally.guard(descent, loss.total, norm)
                descent.step()
                tally.add(loss, norm, scenes, world)
                look = loss.again

            seen = (update + 1) * batch
            validate = (update + 1) % every == 0 or update + 1 == updates
            due = validate or (update + 1) % log.every == 0
            leave = bool(asked)  # read once: a signal may come between here and the checkpoint
            if due or leave:
                tally.stop_if_not_finite()
                spent.stop()
                means = tally.means()
                log.progress(seen, spent.seconds, means["loss"])
            if due:
                log.training(seen, spent.seconds, tally.recent() | {"learning_rate": lr * rate})
            if validate:
                columns = evaluate(cast(Agent, agent), world, validation, draw)
                measured = figures(columns)
                curve.append((seen, error(columns)))
                log.validation(seen, means, measured, columns, validation)
                tally.clear()
                if KEEP[options.keep](curve)[0] == seen:
                    storage.write(folder / "best.pt", {"agent": agent.state_dict()})
            if validate or leave:
                state: dict[str, Any] = {
                    **{name: each.state_dict() for name, each in learners.items()},
                    "optimiser": descent.state_dict(),
                    "tally": tally.state(),
                    "seconds": spent.seconds,
                    "cpu_seconds": spent.cpu_seconds,
                    "curve": curve,
                }
                checkpoint.save(folder / "checkpoints", update + 1, state)
                spent.start()
            if leave:
                break
        if asked:
            raise Stopped(f"stopped after {seen:,} images; the same command goes on", asked[0])

    agent.load_state_dict(storage.read(folder / "best.pt", device)["agent"])
    return TrainingResult(updates * batch, spent, KEEP[options.keep](curve)[0], curve)


def looks_after(done: float, curriculum: float, looks: int) -> int:
    """How many of T looks are taken when that share of training is over: 1, 2, ... T.

    Each number for a T-th of the curriculum (DT-RAM, Li et al. 2017, arXiv:1703.10332).
    """
    return looks if done >= curriculum else min(looks, 1 + int(looks * done / curriculum))


def best_of(curve: list[tuple[int, float]]) -> tuple[int, float]:
    """The first of the lowest validation errors: a pure function of the log."""
    return min(curve, key=lambda point: (point[1], point[0]))


# Whose weights are kept, of a log of validations: (images seen, error). What chooses by the error
# has seen labels.
KEEP: dict[str, Callable[[list[tuple[int, float]]], tuple[int, float]]] = {
    "best": best_of,
    "last": max,
}


def _resume(
    folder: Path,
    device: torch.device,
    learners: dict[str, nn.Module],
    descent: Any,
    tally: TrainingMetrics,
) -> tuple[int, Stopwatch, list[tuple[int, float]]]:
    """Take up the newest sound checkpoint: updates done, time spent, curve so far."""
    found = checkpoint.latest(folder / "checkpoints", device)
    if found is None:
        return 0, Stopwatch(), []
    done, state = found
    for name, each in learners.items():
        each.load_state_dict(state[name])
    descent.load_state_dict(state["optimiser"])
    tally.take_up(state["tally"], done)
    spent = Stopwatch(state["seconds"], state["cpu_seconds"])
    return done, spent, [(seen, error) for seen, error in state["curve"]]
