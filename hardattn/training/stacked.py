"""Trainings of several seeds in one process, whose looks are computed as one.

An update of a small agent is hundreds of kernels, few of which keep a GPU busy. So the weights of S
agents are laid on each other and looked with at once (`torch.func.vmap`): as many launches, each S
times as large. All else is each training's own: generators, scenes, the norm of its gradient and
the verdict on it, optimizer, log and checkpoints; up to rounding it is the training that it would
be alone. Each runs in a thread of its own, one at a time, and waits at its update for the others.
"""

import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.overrides import TorchFunctionMode

from hardattn.estimators import Loss
from hardattn.rollout import Trajectory
from hardattn.scenes import Scenes
from hardattn.training import capture as capturing, optimizers
from hardattn.training.distributed import Ranks, drawing
from hardattn.training.interrupt import signals


class Apart(ValueError):
    """Why trainings cannot be one, in one line."""

    def __init__(self, why: str):
        super().__init__(
            f"several seeds cannot be trained as one: {why}; use --seed, one at a time"
        )


class Asked(NamedTuple):
    """An update that a training waits for."""

    training: Any
    make: Any
    kind: tuple[int, bool]  # looks, led
    rows: Tensor


class Stacked(Ranks):
    """Trainings that take turns, and take their updates as one. Each is alone but for that."""

    def __init__(self) -> None:
        super().__init__()
        self.codes: list[int] = []  # of signals
        self.known: dict[Hashable, Any] = {}
        self.turn, self.back = threading.local(), threading.Semaphore(0)
        self.waiting: dict[int, Asked] = {}
        self.faults: dict[int, Exception] = {}
        self.launchers: dict[tuple[int, ...], Any] = {}

    def asked(self, codes: Sequence[int], due: bool) -> int:
        """The exit code of a signal that asked the process to stop; 0 of none."""
        return self.codes[0] if self.codes else 0

    def once(self, key: Hashable, find: Callable[[], Any]) -> Any:
        """What all share is found by the first."""
        if key not in self.known:
            self.known[key] = find()
        return self.known[key]

    def log(self, log: Any) -> Any:
        """The same log, of which only the first says how far it is."""
        log.quiet = log.quiet or self.once("log", lambda: log) is not log
        return log

    def update(self, training: Any, make: Any, kind: tuple[int, bool], index: Tensor) -> None:
        """Wait for the others, and for the update. Raises Apart."""
        training.watch.stop()
        number, go = self.turn.here
        self.waiting[number] = Asked(training, make, kind, index)
        self.back.release()
        go.acquire()
        training.watch.start()
        if number in self.faults:
            raise self.faults.pop(number)

    def run(self, acts: Sequence[Callable[[], Any]]) -> list[Any]:
        """What each finds, or the exception where it failed; the others go on without it."""
        found: list[Any] = [None] * len(acts)
        turns = [threading.Semaphore(0) for _ in acts]
        alive = set(range(len(acts)))

        def live(number: int) -> None:
            self.turn.here = number, turns[number]
            turns[number].acquire()
            try:
                found[number] = acts[number]()
            except BaseException as fault:
                found[number] = fault
            alive.discard(number)
            self.back.release()

        for number in alive:
            threading.Thread(target=live, args=(number,), daemon=True).start()
        with signals() as self.codes:
            while alive:
                self.waiting = {}
                for number in sorted(alive):
                    turns[number].release()
                    self.back.acquire()
                self._updates()
        return found

    def _updates(self) -> None:
        """Those of all who wait, as one of as many as are as far as each other."""
        groups: dict[Hashable, dict[int, Asked]] = {}
        for number, one in self.waiting.items():
            groups.setdefault((one.training.done, one.kind), {})[number] = one
        for group in groups.values():
            since = time.perf_counter(), time.process_time()
            try:
                self._update([*group.values()])
            except Exception as fault:
                self.faults |= dict.fromkeys(group, fault)
            for one in group.values():
                watch = one.training.watch
                watch.seconds += (time.perf_counter() - since[0]) / len(group)
                watch.cpu_seconds += (time.process_time() - since[1]) / len(group)

    def _update(self, group: list[Asked]) -> None:
        runs = [one.training for one in group]
        whose = tuple(map(id, runs))
        if whose not in self.launchers:
            refuse(runs[0])
            captured = isinstance(runs[0].launch, capturing.Captured)
            learners = [each for run in runs for each in run.learners.values()]
            generators = [run.generator for run in runs]
            self.launchers[whose] = capturing.launcher(captured, "", generators, learners)
        step = partial(_step, runs, [one.make for one in group], *group[0].kind)
        self.launchers[whose](group[0].kind, step, *(one.rows for one in group))


def refuse(training: Any) -> None:
    """Raise Apart for what is known of a training that cannot be one with others."""
    name = training.options.optimizer
    if optimizers.OPTIMIZERS[name].gradient is not optimizers.backward:
        raise Apart(f"the optimizer {name!r} looks more than once")
    if getattr(training.agent, "reads_back", False):
        raise Apart("its agent reads numbers back")


def _step(runs: Sequence[Any], makes: Sequence[Any], looks: int, led: bool, *rows: Tensor) -> None:
    """What `Training.step` does, of all of them."""
    each = zip(runs, makes, rows, strict=True)
    scenes = [make(run.split, index, run.generator) for run, make, index in each]
    if (
        not isinstance(scenes[0].picture, Tensor)
        and len({id(run.split.images) for run in runs}) > 1
    ):
        raise Apart("each has images of its own")
    for run, loss, own in zip(runs, _looked(runs, scenes, looks, led), scenes, strict=True):
        run.descend(loss, own)


def _looked(runs: Sequence[Any], scenes: Sequence[Scenes], looks: int, led: bool) -> list[Loss]:
    """The loss of each, whose gradient is left in its weights."""
    whole = _Whole(runs[0], looks, led)
    names = [name for name, _ in (*whole.named_parameters(), *whole.named_buffers())]
    weights = [torch.stack(each).requires_grad_() for each in _each(runs, "parameters")]
    buffers = [torch.stack(each) for each in _each(runs, "buffers")]
    held = [torch.stack(each) for each in zip(*(one.tensors() for one in scenes), strict=True)]
    own = _OfSeeds([run.generator for run in runs])

    def look(number: Tensor, state: list[Tensor], held: list[Tensor]) -> Any:
        fields, own.number = iter(held), number
        mine = scenes[0].each(lambda _: next(fields))
        with own:
            state_of = dict(zip(names, state, strict=True))
            loss, after = functional_call(whole, state_of, (mine,))
        if loss.again is not None:
            raise Apart("its estimator learns several times from the same looks")
        return loss.total, tuple(loss.path), loss.advantage, after

    number = torch.arange(len(runs), device=runs[0].device)
    try:
        # "same": what is drawn is drawn by `_OfSeeds`.
        seen = vmap(look, randomness="same")(number, weights + buffers, held)
    except RuntimeError as fault:
        raise Apart(str(fault).partition(". ")[0].splitlines()[0]) from fault
    total, path, advantage, after = seen
    total.sum().backward()
    for at, run in enumerate(runs):
        for weight, stack in zip(run.weights, weights, strict=True):
            weight.grad = None if stack.grad is None else stack.grad[at]
        own_buffers = [buffer for each in run.learners.values() for buffer in each.buffers()]
        if own_buffers:
            with torch.no_grad():
                torch._foreach_copy_(own_buffers, [stack[at] for stack in after])
    return [
        Loss(total[at], Trajectory(*(field[at] for field in path)), advantage[at])
        for at in range(len(runs))
    ]


def _each(runs: Sequence[Any], what: str) -> Iterator[tuple[Tensor, ...]]:
    """Parameter by parameter, or buffer by buffer: those of all."""
    own = ([x for each in run.learners.values() for x in getattr(each, what)()] for run in runs)
    return zip(*([x.detach() for x in each] for each in own), strict=True)


class _Whole(nn.Module):
    """All that learns in a training; called, it looks."""

    def __init__(self, training: Any, looks: int, led: bool):
        super().__init__()
        self.learners = nn.ModuleDict(training.learners)
        self.look = partial(training.look, looks=looks, led=led)

    def forward(self, scenes: Scenes) -> tuple[Loss, list[Tensor]]:
        """The loss of an update from these scenes, and the buffers after it."""
        return self.look(scenes), [*self.buffers()]


class _OfSeeds(TorchFunctionMode):
    """Draws for each seed, from its own generator, what it would draw alone.

    And writes out the recurrent cells, of which torch has no batched kernel.
    """

    def __init__(self, generators: Sequence[torch.Generator]):
        super().__init__()
        self.generators = generators
        self.number = torch.zeros(0)  # () of the seed, of which `vmap` has many

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs, name = kwargs or {}, func.__name__
        if name in CELLS:
            return CELLS[name](*args)
        if name not in drawing():
            return func(*args, **kwargs)
        within = name.endswith("_") and isinstance(args[0], Tensor)
        if kwargs.get("generator") is None or not (within or name in ("randint", "rand", "randn")):
            raise Apart(f"{name} draws in another way than from a seed's generator")
        drawn = []
        for generator in self.generators:
            given = args
            if within:
                blank = torch.empty(args[0].shape, dtype=args[0].dtype, device=args[0].device)
                given = (blank, *args[1:])
            drawn.append(func(*given, **kwargs | {"generator": generator}))
        return torch.stack(drawn).index_select(0, self.number[None])[0]


def _gru(x: Tensor, h: Tensor, w: Tensor, u: Tensor, b: Tensor, c: Tensor) -> Tensor:
    (reset, update, new), (r, z, n) = ((x @ w.t() + b).chunk(3, 1), (h @ u.t() + c).chunk(3, 1))
    keep = torch.sigmoid(update + z)
    return keep * h + (1 - keep) * torch.tanh(new + torch.sigmoid(reset + r) * n)


def _lstm(
    x: Tensor, state: tuple[Tensor, Tensor], w: Tensor, u: Tensor, b: Tensor, c: Tensor
) -> tuple[Tensor, Tensor]:
    into, keep, new, out = (x @ w.t() + b + state[0] @ u.t() + c).chunk(4, 1)
    cell = torch.sigmoid(keep) * state[1] + torch.sigmoid(into) * torch.tanh(new)
    return torch.sigmoid(out) * torch.tanh(cell), cell


CELLS: dict[str, Callable[..., Any]] = {"gru_cell": _gru, "lstm_cell": _lstm}
