"""One training in several processes, each of which looks at its rows of every batch.

They agree with one process at the same batch up to rounding: process r of R draws the noise of the
whole batch from the same seed and keeps its rows of it, gradients are averaged over processes
before the step, and so is what a network or an estimator keeps of a batch beside its weights. The
first process writes; the others learn in step with it. `torchrun` starts them, on one machine or on
many, and says in the environment who is who.
"""

import os
import signal
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cache, partial
from types import FrameType, FunctionType
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from hardattn.estimators import Loss
from hardattn.training.interrupt import Stopped
from hardattn.training.shared_norm import normalise

LOST = 6  # exit code
PATIENCE = timedelta(hours=2)  # while the first process validates; one that dies is noticed at once
Found = TypeVar("Found")


class Lost(Stopped):
    """Another process of this training is gone, or does not answer."""

    def __init__(self, reason: object):
        why = (str(reason).splitlines() or [""])[0].partition(". ")[0]
        super().__init__(
            "another process of this training ended before its time: all stop, and the same "
            f"command goes on from the last checkpoint ({why})",
            LOST,
        )


class Ranks:
    """The processes of one training: how many, and which of them this is."""

    def __init__(self, rank: int = 0, size: int = 1):
        self.rank, self.size = rank, size

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and speaks."""
        return self.rank == 0

    def rows(self, batch: Tensor) -> Tensor:
        """Of the rows of a batch, those that are looked at here. Raises ValueError."""
        if len(batch) % self.size:
            raise ValueError(
                f"{self.size} processes cannot share {len(batch)} scenes evenly: choose another "
                "--batch-size, or number of processes"
            )
        own = len(batch) // self.size
        return batch[self.rank * own : (self.rank + 1) * own]

    @contextmanager
    def drawing(self, rows: int) -> Iterator[None]:
        """Inside, noise of so many rows is this process's part of that of the whole batch."""
        if self.size == 1:
            yield
            return
        with _Draws(_PartOfTheBatch(self, rows)):
            yield

    def together(
        self, look: Callable[[], Loss], learners: Sequence[nn.Module], rows: int
    ) -> Callable[[], Loss]:
        """The same look, with the noise of the whole batch, whose backward pass ends in gradients
        averaged over all processes.

        What changes in the look beside weights, as running means do, is averaged with them. A loss
        that is not finite anywhere leaves a gradient that is not finite everywhere.
        """
        if self.size == 1:
            return look

        def shared() -> Loss:
            kept = [buffer for each in learners for buffer in each.buffers()]
            before = [(id(buffer), buffer._version) for buffer in kept]
            with self.drawing(rows), self._one_norm(learners):
                loss = look()
            now = [buffer for each in learners for buffer in each.buffers()]
            changed = [
                buffer
                for buffer, was in zip(now, before, strict=True)
                if (id(buffer), buffer._version) != was and buffer.is_floating_point()
            ]

            def average() -> None:
                weights = [one for each in learners for one in each.parameters()]
                gradients = [one.grad for one in weights if one.grad is not None]
                total = loss.total.detach().clone()
                self.average([*gradients, *changed, total])
                gradients[0].add_(0 * total)

            def when_done(gradient: Tensor) -> None:
                # Once this whole backward pass is over, however it is called.
                torch.autograd.Variable._execution_engine.queue_callback(average)

            loss.total.register_hook(when_done)
            return loss

        return shared

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace each by its mean over all processes. Raises Lost."""
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([one.detach().flatten() for one in tensors])
        self.sum(flat)
        parts = (flat / self.size).split([one.numel() for one in tensors])
        with torch.no_grad():
            for one, mean in zip(tensors, parts, strict=True):
                one.copy_(mean.view_as(one))

    def sum(self, tensor: Tensor) -> None:
        """Replace it by its sum over all processes. Raises Lost."""
        with _noticed():
            dist.all_reduce(tensor)

    def added(self, number: float) -> float:
        """The sum of a number over all processes. Raises Lost."""
        if self.size == 1:
            return number
        whole = torch.tensor(number, dtype=torch.float64)
        self.sum(whole)
        return float(whole)

    def gather(self, tensor: Tensor) -> Tensor:
        """The rows of all processes, one after the other. Raises Lost."""
        parts = [torch.empty_like(tensor).contiguous() for _ in range(self.size)]
        with _noticed():
            dist.all_gather(parts, tensor.contiguous())
        return torch.cat(parts)

    def asked(self, codes: Sequence[int], due: bool) -> int:
        """The exit code of a signal that asked any process to stop; 0 of none.

        All learn of it at the same update: of several processes, at one where it is due.
        """
        code = codes[0] if codes else 0
        if self.size == 1 or not due:
            return code if self.size == 1 else 0
        largest = torch.tensor(code)
        with _noticed():
            dist.all_reduce(largest, dist.ReduceOp.MAX)
        return int(largest)

    def from_first(self, act: Callable[[], Found]) -> Found:
        """What the first process finds, for all; the others wait for it. Tensors come on the CPU.

        Raises Lost in the others where it fails in the first.
        """
        if self.size == 1:
            return act()
        held: list[Any] = [_on_cpu(act()) if self.first else None]
        with _noticed():
            dist.broadcast_object_list(held)
        found: Found = held[0]
        return found

    def same(self, what: str, value: object) -> None:
        """Raise ValueError in a process for which this is not what it is for the first."""
        if self.from_first(lambda: value) != value:
            raise ValueError(
                f"process {self.rank} of {self.size} has another {what} than the first: start all "
                "with the same command, the same data and the same version"
            )

    def alike(self, learners: Iterable[nn.Module]) -> None:
        """Give all processes the weights of the first. Raises Lost."""
        if self.size > 1:
            with _noticed(), torch.no_grad():
                for each in learners:
                    for one in (*each.parameters(), *each.buffers()):
                        dist.broadcast(one, 0)

    def once(self, key: Hashable, find: Callable[[], Found]) -> Found:
        """What trainings that are stacked share, see `stacked`; here there is one."""
        return find()

    def update(self, training: Any, make: Any, kind: tuple[int, bool], index: Tensor) -> None:
        """The update of a training, which here waits for no other: see `stacked`."""
        training.launch(kind, partial(training.step, make, *kind), index)

    def log(self, log: Any) -> Any:
        """The same log in the first process; in others one that says nothing."""
        return log if self.first else _Mute(log.every)

    def device(self, name: str) -> str:
        """The device of this process: of several on a machine each has its own GPU."""
        if self.size == 1 or name not in ("auto", "cuda") or not torch.cuda.is_available():
            return name
        return f"cuda:{torch.cuda.current_device()}"

    @contextmanager
    def _one_norm(self, learners: Sequence[nn.Module]) -> Iterator[None]:
        """Inside, batch normalisation in training is by the whole batch."""
        layers = [
            layer for each in learners for layer in each.modules() if isinstance(layer, _BatchNorm)
        ]
        for layer in layers:
            layer.forward = lambda x, layer=layer: normalise(layer, x, self)  # type: ignore[method-assign,misc]
        try:
            yield
        finally:
            for layer in layers:
                del layer.forward


ALONE = Ranks()
_here = [ALONE]


def here() -> Ranks:
    """The processes that this one has joined; by default it is alone."""
    return _here[-1]


@contextmanager
def joined_as(ranks: Ranks) -> Iterator[None]:
    """Inside, `here` is this."""
    _here.append(ranks)
    try:
        yield
    finally:
        _here.remove(ranks)


@contextmanager
def joined() -> Iterator[Ranks]:
    """Join the others that `torchrun`, or whoever sets its variables, has started with this one.

    Where nobody did, the process is alone. Raises Lost where the others do not come.
    """
    size = int(os.environ.get("WORLD_SIZE", 1))
    if size == 1 or "RANK" not in os.environ:
        yield ALONE
        return
    backend = "gloo"
    if torch.cuda.is_available() and dist.is_nccl_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)) % torch.cuda.device_count())
        backend = "cpu:gloo,cuda:nccl"
    with _noticed():
        dist.init_process_group(backend, timeout=PATIENCE)
    _here.append(Ranks(dist.get_rank(), dist.get_world_size()))
    before = signal.signal(signal.SIGTERM, _unless_lost)
    try:
        yield here()
        dist.destroy_process_group()
    finally:
        _here.pop()
        if not _lost:
            signal.signal(signal.SIGTERM, before)


@contextmanager
def _noticed() -> Iterator[None]:
    """A collective that fails because somebody is gone raises Lost."""
    try:
        yield
    except RuntimeError as fault:
        _lost.append(True)
        raise Lost(fault) from fault


_lost: list[bool] = []


def _unless_lost(number: int, frame: FrameType | None) -> None:
    """Who has lost another is about to say so and to end, and need not be ended before that."""
    if not _lost:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


class _Mute:
    """A log that nobody reads."""

    def __init__(self, every: int):
        self.every = every

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *given, **named: None


class _Draws(TorchFunctionMode):
    """Looks for draws, and has these done by another mode, which would slow down all other calls.

    A function that is written in Python may draw somewhere inside.
    """

    def __init__(self, mode: TorchDispatchMode):
        super().__init__()
        self.mode = mode

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func.__name__ in drawing() or isinstance(func, FunctionType):
            with self.mode:
                return func(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


@cache
def drawing() -> set[str]:
    """The names of all functions that draw, as torch says; and of those made of them."""
    found = {"scaled_dot_product_attention", "feature_dropout", "feature_alpha_dropout", "rrelu"}
    for name in dir(torch.ops.aten):
        packet = getattr(torch.ops.aten, name)
        for overload in getattr(packet, "overloads", list)():
            if torch.Tag.nondeterministic_seeded in getattr(packet, overload).tags:
                found |= {name, f"{name}_"}
    return found


class _PartOfTheBatch(TorchDispatchMode):
    """Every draw inside of `rows` rows, or several for each, is a part of a draw for all processes.

    The numbers are those that one process would draw for the whole batch, to the bit. A draw of
    any other shape is the same in all.
    """

    def __init__(self, ranks: Ranks, rows: int):
        super().__init__()
        self.ranks, self.own = ranks, rows

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded not in func.tags:
            return func(*args, **kwargs)
        names = [one.name for one in func._schema.arguments]
        if "size" in names:
            at = names.index("size")
            size = args[at]
            if not self._of_rows(size):
                return func(*args, **kwargs)
            whole = func(*args[:at], self._whole(size), *args[at + 1 :], **kwargs)
            return self._part(whole, size)
        if func._schema.is_mutable:
            if self._of_rows(args[0].shape):
                whole = args[0].new_empty(self._whole(args[0].shape))
                drawn = func(whole, *map(self._gathered, args[1:]), **kwargs)
                args[0].copy_(self._part(drawn, args[0].shape))
                return args[0]
        elif self._of_rows(getattr(args[0], "shape", ())) and not _draws_nothing(func, args):
            # How many numbers it takes may hang on what is given for other rows.
            drawn = func(*map(self._gathered, args), **kwargs)
            several = drawn if isinstance(drawn, tuple) else (drawn,)
            parts = tuple(self._part(one, args[0].shape) for one in several)
            return parts if isinstance(drawn, tuple) else parts[0]
        return func(*args, **kwargs)

    def _gathered(self, given: Any) -> Any:
        if isinstance(given, Tensor) and self._of_rows(given.shape):
            return self.ranks.gather(given)
        return given

    def _of_rows(self, size: Sequence[int]) -> bool:
        return len(size) > 0 and size[0] > 0 and size[0] % self.own == 0

    def _whole(self, size: Sequence[int]) -> list[int]:
        return [size[0] * self.ranks.size, *size[1:]]

    def _part(self, whole: Tensor, size: Sequence[int]) -> Tensor:
        return whole[self.ranks.rank * size[0] : (self.ranks.rank + 1) * size[0]]


def _draws_nothing(func: Any, args: Sequence[Any]) -> bool:
    """Whether it is a fused attention or recurrence whose dropout is 0."""
    for at, one in enumerate(func._schema.arguments):
        if one.name in ("dropout_p", "dropout"):
            return not (args[at] if at < len(args) else one.default_value)
    return False


def _on_cpu(tree: Any) -> Any:
    """Every tensor in dicts, lists and tuples on the CPU."""
    if isinstance(tree, Tensor):
        return tree.cpu()
    if isinstance(tree, dict):
        return {key: _on_cpu(value) for key, value in tree.items()}
    if type(tree) in (list, tuple):
        return type(tree)(map(_on_cpu, tree))
    return tree
