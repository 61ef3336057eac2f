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
from torch import Tensor, nn

from hardattn import storage
from hardattn.data import Dataset
from hardattn.estimators import Loss
from hardattn.estimators.counted import Counted
from hardattn.estimators.led import Led, boxed
from hardattn.estimators.taught import taught
from hardattn.evaluation.evaluate import evaluate
from hardattn.evaluation.metrics import compute, error
from hardattn.problem import Problem
from hardattn.rng import mix, seed_all, shuffled
from hardattn.rollout import Agent, Draw, greedy
from hardattn.scenes import MakeScenes, Scenes
from hardattn.scenes.augment import augmented
from hardattn.training import capture as capturing, checkpoint, optimizers
from hardattn.training.distributed import ALONE, Ranks
from hardattn.training.growing import growable, grown
from hardattn.training.interrupt import Stopped, signals
from hardattn.training.log import Log
from hardattn.training.metrics import Stopwatch, TrainingMetrics
from hardattn.training.options import TrainOptions
from hardattn.training.weights import weighted


class TrainingResult(NamedTuple):
    """What a finished training leaves in memory; `agent` itself holds the best weights."""

    images: int
    spent: Stopwatch
    best_images: int
    curve: list[tuple[int, float]]  # (images seen, validation error of the greedy policy)


class Training:
    """A training under way: what a restart takes up again, and how it moves on by an update."""

    def __init__(
        self,
        agent: nn.Module,
        problem: Problem,
        estimator: Callable[..., Loss],
        dataset: Dataset,
        folder: Path,
        options: TrainOptions,
        seed: int,
        ranks: Ranks = ALONE,
        capture: bool | None = None,
    ):
        self.agent, self.problem, self.estimator = agent, problem, estimator
        self.split, self.folder, self.options, self.seed = dataset.train, folder, options, seed
        self.make = augmented(problem.make, options.augment or ())
        self.world = weighted(problem.world, options.class_weights, dataset)
        self.device, self.ranks = dataset.train.device, ranks
        self.learners = {"agent": agent}
        if isinstance(estimator, nn.Module):
            self.learners["estimator"] = estimator.to(self.device)
        self.weights = [one for each in self.learners.values() for one in each.parameters()]
        kind = optimizers.OPTIMIZERS[options.optimizer]
        rho = {} if options.rho is None else {"rho": options.rho}
        self.optimizer = kind.make(
            self.weights, options.lr, options.momentum, options.weight_decay, **rho
        )
        self.gradient = partial(kind.gradient, self.optimizer)
        self.generator = torch.Generator(self.device)
        self.launch = capturing.launcher(
            capture, self.obstacles(), [self.generator], self.learners.values()
        )
        self.updates = math.ceil(options.images / options.batch_size)
        self.images = self.updates * options.batch_size  # in all
        self.every = max(1, math.ceil(options.validate_every / options.batch_size))
        self.done = 0
        self.metrics = TrainingMetrics(self.device)
        self.watch = Stopwatch()
        self.curve: list[tuple[int, float]] = []

    @property
    def seen(self) -> int:
        """Scenes that were looked at."""
        return self.done * self.options.batch_size

    def go_on(self, asked: list[int], validate: Callable[[], None], log: Log) -> int:
        """An update, and what is due after it; the exit code of who asks to stop, or 0."""
        rate = self.update()
        over = self.done % self.every == 0 or self.done == self.updates
        due = over or self.done % log.every == 0
        leave = self.ranks.asked(asked, due)  # once: one may come before the checkpoint is written
        if due or leave:
            self.report(log, rate, due)
        if over:
            validate()
        if over or leave:
            self.save()
            self.watch.start()
        return leave

    def update(self) -> float:
        """One update from fresh scenes, or several from the same looks; the learning rate."""
        options, number = self.options, self.done
        seed_all(mix(self.seed, number, 1), self.device)
        self.generator.manual_seed(mix(self.seed, number, 2))
        share = number / self.updates
        if callable(anneal := getattr(self.agent, "anneal", None)):
            anneal(share)
        rate = optimizers.SCHEDULES[options.schedule](share)
        rate *= min(1.0, (number + 1) / (options.warmup + 1))
        self.optimizer.pace(options.lr * rate)
        size, device = options.batch_size, self.device
        index = self.ranks.rows(shuffled(len(self.split), number, size, self.seed, device))
        make = self.make
        if options.growing:
            growing = grown(self.problem.make, share / options.growing, options.grows)
            make = augmented(growing, options.augment or ())
        kind = looks_after(share, options.curriculum, self.world.looks), share < options.led
        self.ranks.update(self, make, kind, index)
        self.done += 1
        return options.lr * rate

    def step(self, make: MakeScenes, looks: int, led: bool, index: Tensor) -> None:
        """All that an update does to tensors: scenes, looks, gradient, guard, descent, tally.

        It reads nothing that changes from update to update but tensors, see `capture`.
        """
        with self.ranks.drawing(len(index)):
            scenes = make(self.split, index, self.generator)
        look: Callable[[], Loss] | None
        look = partial(self.look, scenes, looks, led)
        while look is not None:
            look = self.ranks.together(look, [*self.learners.values()], len(index))
            loss = self.gradient(look, self.learners.values(), self.generator)
            self.descend(loss, scenes)
            look = loss.again and partial(self.look, scenes, looks, led, loss.again)

    def look(
        self, scenes: Scenes, looks: int, led: bool, again: Callable[[], Loss] | None = None
    ) -> Loss:
        """The loss of a look, or what is learned again from one, in the precision that is asked."""
        looker = cast(Agent, self.agent)
        if led:
            looker = Led(looker, scenes, self.options.led_by, self.world)
        looker = taught(looker, self.world, scenes)
        look = again or partial(
            self.estimator, looker, self.world.upto(looks), scenes, self.generator
        )
        return (in_bf16(look, self.device) if self.options.precision == "bf16" else look)()

    def descend(self, loss: Loss, scenes: Scenes) -> None:
        """Guard, descent and tally, by the gradient that is in the weights."""
        norm = shortened(self.weights, self.options.max_grad_norm)
        self.optimizer.descend(self.metrics.guard(loss.total, norm))
        self.metrics.add(loss, norm, scenes, self.world)

    def obstacles(self) -> str:
        """Why its updates cannot be captured, in words; "" if nothing is known that forbids it."""
        name = self.options.optimizer
        tensors = optimizers.OPTIMIZERS[name].tensors
        known = {
            f"a CUDA graph needs a GPU, and it is on {self.device}": self.device.type != "cuda",
            "its images lie elsewhere than on the GPU": self.split.images.device != self.device,
            f"{self.ranks.size} processes share it": self.ranks.size > 1,
            "scenes that grow change their size": self.options.growing > 0,
            f"optimizer {name!r} does more than to change tensors": not tensors,
            "its estimator counts its updates": isinstance(self.estimator, Counted),
            "its agent reads numbers back": getattr(self.agent, "reads_back", False),
        }
        return "; ".join(words for words, holds in known.items() if holds)

    def report(self, log: Log, rate: float, due: bool) -> None:
        """Tell the log how learning goes; the curves as well where they are due."""
        self.metrics.stop_if_not_finite()
        self.ranks.average([self.metrics.sums])
        self.watch.stop()
        log.progress(self.seen, self.watch.seconds, self.metrics.means()["loss"])
        if due:
            recent = self.metrics.recent() | {"learning_rate": rate}
            log.training(self.seen, self.watch.seconds, recent)

    def validate(self, scenes: Scenes, draw: Draw, log: Log) -> None:
        """Measure the agent, tell the log, and write its weights down if they are to be kept."""
        self.ranks.from_first(partial(self._validate, scenes, draw, log))
        self.metrics.clear()

    def _validate(self, scenes: Scenes, draw: Draw, log: Log) -> None:
        columns = evaluate(cast(Agent, self.agent), self.problem.world, scenes, draw)
        self.curve.append((self.seen, error(columns)))
        log.validation(self.seen, self.metrics.means(), compute(columns), columns, scenes)
        if self.kept == self.seen:
            storage.write(self.folder / "best.pt", {"agent": self.agent.state_dict()})

    @property
    def kept(self) -> int:
        """After how many images the weights were had that are kept."""
        return KEEP[self.options.keep](self.curve)[0]

    def save(self) -> None:
        """Leave a checkpoint from which `resume` goes on."""
        self.ranks.from_first(self._save)

    def _save(self) -> None:
        state: dict[str, Any] = {
            **{name: each.state_dict() for name, each in self.learners.items()},
            "optimiser": self.optimizer.state_dict(),
            "tally": self.metrics.state(),
            "seconds": self.watch.seconds,
            "cpu_seconds": self.watch.cpu_seconds,
            "curve": self.curve,
        }
        checkpoint.save(self.folder / "checkpoints", self.done, state)

    def resume(self) -> None:
        """Take up the newest sound checkpoint, if there is one."""
        newest = partial(checkpoint.latest, self.folder / "checkpoints", self.device)
        found = self.ranks.from_first(newest)
        if found is None:
            self.ranks.alike(self.learners.values())
            return
        self.done, state = found
        for name, each in self.learners.items():
            each.load_state_dict(state[name])
        self.optimizer.load_state_dict(state["optimiser"])
        self.metrics.take_up(state["tally"], self.done)
        self.watch = Stopwatch(state["seconds"], state["cpu_seconds"])
        self.curve = [(seen, error) for seen, error in state["curve"]]

    def result(self) -> TrainingResult:
        """It is over: the agent gets the weights that are kept."""
        best = partial(storage.read, self.folder / "best.pt", self.device)
        self.agent.load_state_dict(self.ranks.from_first(best)["agent"])
        self.curve = self.ranks.from_first(lambda: self.curve)
        self.watch.cpu_seconds = self.ranks.added(self.watch.cpu_seconds)
        return TrainingResult(self.images, self.watch, self.kept, self.curve)


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
    ranks: Ranks = ALONE,
    capture: bool | None = None,
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
        ranks: The processes that share this training; the first of them writes.
        capture: Whether updates are CUDA graphs, see `capture`; None: where they can be.

    Raises ValueError where the world tells where targets are and nobody knows it, NotFinite before
    a non-finite update, Stopped after a signal, CheckpointError.
    """
    check(problem, validation, options)
    run = Training(agent, problem, estimator, dataset, folder, options, seed, ranks, capture)
    run.resume()
    log = ranks.log(log or Log(folder))
    log.start(run.seen, run.images, run.watch.seconds)
    for each in run.learners.values():
        each.train()
    leave = 0  # the exit code of a signal that asks to stop
    with signals(patient=ranks.size > 1) as asked:
        run.watch.start()
        while run.done < run.updates and not leave:
            leave = run.go_on(asked, partial(run.validate, validation, draw, log), log)
        if leave := leave or ranks.asked(asked, due=True):
            raise Stopped(f"stopped after {run.seen:,} images; the same command goes on", leave)
    return run.result()


def check(problem: Problem, validation: Scenes, options: TrainOptions) -> None:
    """Raise ValueError, one line, for what of a problem a training is told to use and is not there.

    Reads the boxes, for which a GPU is waited for.
    """
    problem.world.check(validation)
    if options.growing:
        growable(problem.make, options.grows)
    if options.led and options.led_by == "target":
        boxed(validation)


def shortened(weights: list[nn.Parameter], longest: float) -> Tensor:
    """The norm of the gradient over all weights, which are shortened to `longest`, if any is."""
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    if longest < math.inf:
        torch._foreach_mul_(gradients, (longest / (norm + 1e-6)).clamp_max(1.0))
    return norm


def in_bf16(look: Callable[[], Loss], device: torch.device) -> Callable[[], Loss]:
    """The same look, whose products and convolutions are computed in bf16 (autocast)."""
    return torch.autocast(device.type, torch.bfloat16)(look)


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
