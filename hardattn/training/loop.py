"""THE loop: every agent, hard or soft, learns here.

All randomness of update k is a function of (seed, k): no generator's state has to survive a
restart, and a run that is killed and repeated ends in the same weights, bit for bit.
"""

import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from hardattn import storage as checkpoint
from hardattn.data import Dataset
from hardattn.estimators import Loss
from hardattn.evaluation.evaluate import evaluate, right
from hardattn.evaluation.metrics import error, figures
from hardattn.problem import Problem
from hardattn.rollout import Agent, Draw, greedy
from hardattn.scenes import Scenes, inside
from hardattn.training.log import Log
from hardattn.training.options import TrainOptions
from hardattn.training.sam import SAM
from hardattn.world import World


class NotFinite(RuntimeError):
    """A loss or a gradient was not finite; the weights are those before that update."""


class Stopped(RuntimeError):
    """A signal asked to stop; a checkpoint was written. `code` is the exit code."""

    def __init__(self, message: str, code: int):
        super().__init__(message)
        self.code = code


class Spent:
    """Seconds of training proper: no validation, no checkpoint, over all restarts."""

    def __init__(self, seconds: float = 0.0, cpu_seconds: float = 0.0):
        self.seconds, self.cpu_seconds = seconds, cpu_seconds  # on the wall, of this process
        self.go_on()

    def go_on(self) -> None:
        """Training goes on from here."""
        self._since, self._cpu_since = time.perf_counter(), time.process_time()

    def pause(self) -> None:
        """Up to here it was training."""
        self.seconds += time.perf_counter() - self._since
        self.cpu_seconds += time.process_time() - self._cpu_since
        self.go_on()


class Trained(NamedTuple):
    """What a finished training leaves in memory; `agent` itself holds the best weights."""

    images: int
    spent: Spent
    best_images: int
    curve: list[tuple[int, float]]  # (images seen, validation error of the greedy policy)


def _adam(weights: list[nn.Parameter], lr: float, momentum: float, decay: float) -> Any:
    return torch.optim.Adam(weights, lr, betas=(momentum, 0.999), weight_decay=decay, fused=True)


def _adamw(weights: list[nn.Parameter], lr: float, momentum: float, decay: float) -> Any:
    return torch.optim.AdamW(weights, lr, betas=(momentum, 0.999), weight_decay=decay, fused=True)


def _sam(
    weights: list[nn.Parameter], lr: float, momentum: float, decay: float, rho: float = 0.05
) -> Any:
    return SAM(weights, lr, rho, betas=(momentum, 0.999), weight_decay=decay, fused=True)


def _sgd(weights: list[nn.Parameter], lr: float, momentum: float, decay: float) -> Any:
    descent = torch.optim.SGD(weights, lr, momentum=momentum, weight_decay=decay, fused=True)
    # A fused step makes the buffers of all weights at once, or of none: but under a curriculum of
    # looks some weights have their first gradient later.
    for weight in weights:
        descent.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
    return descent


OPTIMISERS: dict[str, Callable[..., Any]] = {
    "adam": _adam,
    "adamw": _adamw,
    "sgd": _sgd,
    "sam": _sam,
}

SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "linear": lambda done: 1.0 - done,
    "cosine": lambda done: 0.5 * (1.0 + math.cos(math.pi * done)),
}


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
) -> Trained:
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
    row = OPTIMISERS[options.optimizer]
    rho = {} if options.rho is None else {"rho": options.rho}
    descent = row(weights, lr, options.momentum, options.weight_decay, **rho)
    generator = torch.Generator(device)
    updates = math.ceil(options.images / batch)
    every = max(1, math.ceil(options.validate_every / batch))
    tally = Tally(device)
    done, spent, curve = _resume(folder, device, learners, descent, tally)
    log = log or Log(folder)
    log.start(done * batch, updates * batch, spent.seconds)

    seen = done * batch
    for each in learners.values():
        each.train()
    with _signals() as asked:
        spent.go_on()
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
                spent.pause()
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
                    checkpoint.write(folder / "best.pt", {"agent": agent.state_dict()})
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
                spent.go_on()
            if leave:
                break
        if asked:
            raise Stopped(f"stopped after {seen:,} images; the same command goes on", asked[0])

    agent.load_state_dict(checkpoint.read(folder / "best.pt", device)["agent"])
    return Trained(updates * batch, spent, KEEP[options.keep](curve)[0], curve)


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


def mix(*numbers: int) -> int:
    """A seed from several numbers: SplitMix64's finaliser (Steele et al. 2014), chained."""
    state = 0
    for number in numbers:
        state = (state + number + 0x9E3779B97F4A7C15) % 2**64
        state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        state = (state ^ (state >> 27)) * 0x94D049BB133111EB % 2**64
        state ^= state >> 31
    return state >> 1


def shuffled(
    count: int, update: int, batch: int, seed: int, device: torch.device | str = "cpu"
) -> Tensor:
    """(batch,) indices of update k in an endless row of fresh permutations of all images."""
    parts: list[Tensor] = []
    position, end = update * batch, (update + 1) * batch
    while position < end:
        epoch, offset = divmod(position, count)
        whole = _permutation(count, mix(seed, epoch, 3), device)
        parts.append(whole[offset : offset + end - position])
        position += len(parts[-1])
    return torch.cat(parts)


@lru_cache(maxsize=2)
def _permutation(count: int, seed: int, device: torch.device | str) -> Tensor:
    # Copied to the device once an epoch: every copy makes the host wait.
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed)).to(device)


class Tally:
    """Running sums on the device: nothing is read back at an update.

    Of two spans, a row each: since the last validation, and since `recent` was last asked for.
    """

    names = ("loss", "reward", "correct", "hit", "value_misfit", "gradient_norm", "entropy")

    def __init__(self, device: torch.device):
        self.sums = torch.zeros(2, len(self.names), device=device)
        self.count = torch.zeros(2, 1, device=device)
        self.broken = torch.zeros((), device=device)
        self.sound = torch.zeros((), device=device)

    def guard(self, descent: Any, total: Tensor, norm: Tensor) -> None:
        """Make this and every later update void once a loss or gradient is not finite.

        Fused optimisers take the verdict as a tensor (it is how gradient scaling skips a step), so
        the update is stopped without reading anything back.
        """
        finite = torch.isfinite(norm) & torch.isfinite(total)
        self.broken = torch.maximum(self.broken, (~finite).to(self.broken.dtype))
        self.sound = self.sound + (1 - self.broken)
        descent.found_inf = self.broken

    def add(self, loss: Loss, norm: Tensor, scenes: Scenes, world: World) -> None:
        """Add one update's figures."""
        with torch.no_grad():
            path = loss.path
            point = world.point(world.path(path.location))[1:]
            copies = point.shape[1] // len(scenes)
            box = scenes.box.repeat_interleave(copies, 0)
            hit = inside(point, box)
            target = scenes.target.repeat_interleave(copies, 0)
            row = torch.arange(world.looks, device=hit.device)[:, None]
            last = torch.minimum(row, path.alive.sum(0).long() - 1)
            answer = path.logits.argmax(-1).gather(0, last)
            chosen = path.alive[1:] / path.alive[1:].sum().clamp(min=1)
            # Of images without a target nobody can say whether it was hit: of no other, NaN.
            told = path.alive[1:] * (~box.isnan().any(-1)).any(-1)
            row = torch.stack(
                [
                    (path.loss + path.cost).sum(0).mean(),
                    path.reward.sum(0).mean(),
                    right(answer.T, target)[:, -1].to(norm.dtype).mean(),
                    (hit * told).sum() / told.sum(),
                    loss.advantage.pow(2).mean(),
                    norm,
                    (path.entropy[1:] * chosen).sum(),
                ]
            )
            self.sums, self.count = self.sums + row, self.count + 1

    def means(self) -> dict[str, float]:
        """What was added since the last validation, averaged."""
        return self._means(0)

    def recent(self) -> dict[str, float]:
        """What was added since this was last asked for, averaged."""
        found = self._means(1)
        self.sums[1], self.count[1] = 0.0, 0.0
        return found

    def _means(self, span: int) -> dict[str, float]:
        return dict(zip(self.names, (self.sums[span] / self.count[span]).tolist(), strict=True))

    def stop_if_not_finite(self) -> None:
        """Raise NotFinite if an update was void."""
        if self.broken.item():
            raise NotFinite(
                f"the loss or its gradient was not finite at update {int(self.sound.item()) + 1}; "
                "no weight was changed by it. Lower the learning rate (--lr) or clip the gradient "
                "(--max-grad-norm)"
            )

    def clear(self) -> None:
        """A validation is over."""
        self.sums[0], self.count[0] = 0.0, 0.0

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint keeps."""
        return {"sums": self.sums, "count": self.count}

    def take_up(self, state: dict[str, Tensor], done: int) -> None:
        """Go on from a checkpoint after that many updates; older ones have the first span alone."""
        self.sums = state["sums"].expand_as(self.sums).clone()
        self.count = state["count"].expand_as(self.count).clone()
        self.sound = self.sound + done


def _resume(
    folder: Path,
    device: torch.device,
    learners: dict[str, nn.Module],
    descent: Any,
    tally: Tally,
) -> tuple[int, Spent, list[tuple[int, float]]]:
    """Take up the newest sound checkpoint: updates done, time spent, curve so far."""
    found = checkpoint.latest(folder / "checkpoints", device)
    if found is None:
        return 0, Spent(), []
    done, state = found
    for name, each in learners.items():
        each.load_state_dict(state[name])
    descent.load_state_dict(state["optimiser"])
    tally.take_up(state["tally"], done)
    spent = Spent(state["seconds"], state["cpu_seconds"])
    return done, spent, [(seen, error) for seen, error in state["curve"]]


@contextmanager
def _signals() -> Iterator[list[int]]:
    """A list that gets the exit code when SIGINT or SIGTERM asks to stop; a second one kills."""
    asked: list[int] = []
    codes = {signal.SIGINT: 130, signal.SIGTERM: 143}
    before: dict[signal.Signals, Any] = {}

    def ask(number: int, frame: FrameType | None) -> None:
        asked.append(codes[signal.Signals(number)])
        for each, handler in before.items():
            signal.signal(each, handler)

    try:
        for each in codes:
            before[each] = signal.signal(each, ask)
    except ValueError:  # not in the main thread: signals are somebody else's
        pass
    try:
        yield asked
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
