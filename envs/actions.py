"""What users of an environment may do: where to look next, what to answer, whether to stop.

Out of range is clipped to what is nearest, and a number that is not finite counts as 0, as the
world has it. What has another shape, kind or name is a ValueError that says which.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from hardattn.sensors import Grid
from hardattn.tasks import Task, apart
from hardattn.world import World

MODES = ("place", "cell", "move")
ANSWERS = ("class", "logits", "none")
LOGITS = 100.0  # the largest that is taken; no likelihood of one class among others is nearer to 1
FLAT = 16.0  # logits for each unit of a flat action
# Of an action in its usual form: types of numbers, and how large they are; and types of a class.
FLOATS = "fd"
LIMIT = 1e30
INTEGERS = (int, np.int64)
KINDS = {"f": "numbers", "i": "integers", "b": "0 or 1"}
TAKES = {"f": "fiu", "i": "iu", "b": "biu"}  # NumPy's letters of what will do for each


class Act(NamedTuple):
    """One action of every environment; None where it was not asked for."""

    location: Tensor  # (B, P) numbers of any size, for World.place
    logits: Tensor | None  # (B, K)
    # (B,) int64, the class answered, or a number beyond the nearest; (B, Q) to Q questions at once
    choice: Tensor | None
    stop: Tensor | None  # (B,) bool

    def likelihood(self, task: Task) -> Tensor:
        """(B, K), or (B, Q, K): what an answer says of each class; 1 or 0 where it is a class."""
        if self.logits is not None:
            return apart(self.logits, task).softmax(-1)
        nothing = torch.zeros(len(self.location), task.classes, device=self.location.device)
        said = apart(nothing, task)
        if self.choice is None:
            return said
        return said.scatter_(-1, self.choice.clamp(0, task.choices - 1)[..., None], 1.0)


class Actions:
    """The action space of a world, and how its actions are read.

    mode: "place", the P numbers that name a place; "cell", one of `cells` = (rows, columns), whose
    centre is looked at; "move", a step along x and y in units of the world's reach, of which a
    longer one falls short. answer: "class", the number of a class, and of several questions that
    are answered at once one for each; "logits" of them all; "none".
    stop: whether an action may end the episode. What a world wants to be told beside a place, of a
    cell is -1, 0 or 1, and so there are three times as many.

    An action is a dict of "location", "answer" and "stop". flat: one Box of [-1, 1] that holds them
    side by side, the answer as K numbers (logits are 16 times as large, a class is the largest of
    them) and a stop as one above 0; of cells, a MultiDiscrete.
    """

    def __init__(
        self,
        world: World,
        mode: str = "place",
        answer: str = "class",
        stop: bool = False,
        flat: bool = False,
        cells: tuple[int, int] = (7, 7),
        device: torch.device | str = "cpu",
    ):
        if mode not in MODES or answer not in ANSWERS:
            raise ValueError(f"no action {mode!r} with answer {answer!r}: {MODES}, {ANSWERS}")
        if mode == "move" and world.reach is None:
            raise ValueError("a move is in units of the reach, which this world does not limit")
        if mode == "move" and world.places != 2:
            raise ValueError(f"a move does not say all of the {world.places} numbers of a place")
        if flat and mode == "cell" and answer == "logits":
            raise ValueError("cells are numbered and logits are not: no flat space has both")
        self.world, self.mode, self.answer, self.stop, self.flat = world, mode, answer, stop, flat
        self.classes, self.device = world.task.classes, torch.device(device)
        self.choices, self.questions = world.task.choices, self._questions()
        self.centres = _centres(world, cells).to(device) if mode == "cell" else None
        self.wide = 1 if mode == "cell" else world.places
        self.parts: dict[str, spaces.Space[Any]] = {"location": self._location()}
        if answer == "class":
            self.parts["answer"] = self._choice()
        elif answer == "logits":
            self.parts["answer"] = spaces.Box(-LOGITS, LOGITS, (self.classes,), np.float32)
        if stop:
            self.parts["stop"] = spaces.Discrete(2)
        self.space: spaces.Space[Any] = self._flat() if flat else spaces.Dict(self.parts)
        fields = {"action": self.space} if flat else self.parts
        self.ranks = {name: len(space.shape or ()) for name, space in fields.items()}

    def read(self, action: Any, before: Tensor, single: bool = False) -> Act:
        """Actions of the B environments whose last looks fell at `before`, (B, P).

        single: the action of one, which has no B. Raises ValueError, naming the field, for what is
        no such action.
        """
        shape = () if single else (len(before),)
        if self.flat:
            return self._read_flat(action, shape, before)
        if not isinstance(action, Mapping) or len(action) != len(self.parts):
            got = sorted(map(str, action)) if isinstance(action, Mapping) else type(action).__name__
            raise ValueError(f"an action is a dict of {', '.join(self.parts)}, not {got}")
        logits = choice = stop = None
        if self.mode == "cell":
            location = self._tensor(action, "location", "i", shape)
        else:
            location = self._tensor(action, "location", "f", (*shape, self.wide))
        if self.answer == "class":
            choice = self._tensor(action, "answer", "i", (*shape, *self.questions))
        elif self.answer == "logits":
            numbers = self._tensor(action, "answer", "f", (*shape, self.classes))
            logits = numbers.nan_to_num(nan=0.0).clamp(-LOGITS, LOGITS)
        if self.stop:
            stop = self._tensor(action, "stop", "b", shape) != 0
        return Act(self._place(location, before), logits, choice, stop)

    def plain(self, action: Any, count: int, single: bool) -> tuple[Any, Any] | None:
        """(B, P) places and (B,) classes, or (B, K) that name them, of an action of usual form.

        Without tensors: arrays of finite numbers, of the types that the space has or Python's own.
        None of all others, which `read` knows to read or to refuse.
        """
        where: Any
        answer: Any
        if self.flat:
            wide = self.wide + self.classes
            if type(action) is not np.ndarray or action.dtype != np.float32:
                return None
            if action.shape != ((wide,) if single else (count, wide)):
                return None
            numbers = action[None] if single else action
            where, answer = numbers[:, : self.wide], numbers[:, self.wide :]
        else:
            if type(action) is not dict or len(action) != 2:
                return None
            where, answer = action.get("location"), action.get("answer")
            if type(where) is not np.ndarray or where.dtype.char not in FLOATS:
                return None
            if single:
                if type(answer) not in INTEGERS or not 0 <= answer < self.classes:
                    return None
                where = where[None]
            elif type(answer) is not np.ndarray or answer.dtype != np.int64:
                return None
            if where.shape != (count, self.wide) or (not single and answer.shape != (count,)):
                return None
            numbers = where
        every = numbers.ravel().tolist()
        if not all(map(math.isfinite, every)):
            return None
        if where.dtype.char == "f":
            return where, answer
        return None if max(map(abs, every)) > LIMIT else (where.astype(np.float32), answer)

    def _read_flat(self, action: Any, shape: tuple[int, ...], before: Tensor) -> Act:
        assert self.space.shape is not None
        kind = "i" if self.mode == "cell" else "f"
        numbers = self._tensor({"action": action}, "action", kind, (*shape, *self.space.shape))
        logits = choice = stop = None
        location, rest = numbers[:, : self.wide], numbers[:, self.wide :]
        if self.mode == "cell":
            location = location[:, 0]
            if self.answer == "class":
                choice = rest[:, : math.prod(self.questions)].unflatten(1, (*self.questions, -1))
                choice = choice[..., 0]
        elif self.answer == "class":
            numbers = rest[:, : self.classes].nan_to_num(nan=0.0)
            choice = numbers.unflatten(1, (*self.questions, self.choices)).argmax(-1)
        elif self.answer == "logits":
            logits = FLAT * rest[:, : self.classes].nan_to_num(nan=0.0).clamp(-1, 1)
        if self.stop:
            stop = rest[:, -1] > 0
        return Act(self._place(location, before), logits, choice, stop)

    def _place(self, location: Tensor, before: Tensor) -> Tensor:
        if self.centres is not None:
            return self.centres.index_select(0, location.clamp(0, len(self.centres) - 1))
        if self.mode == "move":
            assert self.world.reach is not None
            return before + self.world.reach * location.nan_to_num(nan=0.0).clamp(-1, 1)
        return location

    def _tensor(self, action: Any, name: str, kind: str, shape: tuple[int, ...]) -> Tensor:
        """That field, on the device, as float32, or int64 if it is no numbers."""
        dtype = torch.float32 if kind == "f" else torch.int64
        try:
            value = action[name]
        except KeyError:
            raise ValueError(f"the action has no {name!r}, only {', '.join(action)}") from None
        alone = len(shape) == self.ranks[name]
        if not isinstance(value, Tensor):
            value = _from_numpy(value, name, kind, alone)
            shape, alone = (1, *shape) if alone else shape, False
        elif (
            value.is_complex()
            or (kind != "f" and value.is_floating_point())
            or (kind != "b" and value.dtype == torch.bool)
        ):
            raise _wrong(name, kind, value.dtype)
        if value.shape != shape:
            raise ValueError(f"{name!r} must have the shape {shape}, not {tuple(value.shape)}")
        if alone:
            value = value.unsqueeze(0)
        if value.dtype != dtype or value.device != self.device:
            value = value.to(self.device, dtype)
        return value.detach() if value.requires_grad else value

    def _questions(self) -> tuple[int, ...]:
        """() of one question, (Q,) of Q that are answered at once."""
        return tuple(apart(torch.zeros(self.classes), self.world.task).shape[:-1])

    def _choice(self) -> spaces.Space[Any]:
        """The space of the number of a class, or of one for each question."""
        if not self.questions:
            return spaces.Discrete(self.choices)
        return spaces.MultiDiscrete(np.full(self.questions, self.choices))

    def _location(self) -> spaces.Space[Any]:
        if self.centres is not None:
            return spaces.Discrete(len(self.centres))
        low = 0.0 if isinstance(self.world.sensor, Grid) else -1.0
        return spaces.Box(low, 1.0, (self.world.places,), np.float32)

    def _flat(self) -> spaces.Space[Any]:
        if self.mode == "cell":
            parts: list[Any] = [*self.parts.values()]
            sizes = [part.nvec if hasattr(part, "nvec") else part.n for part in parts]
            return spaces.MultiDiscrete(np.concatenate([np.atleast_1d(size) for size in sizes]))
        where = self.parts["location"]
        assert isinstance(where, spaces.Box)
        more = (self.classes if self.answer != "none" else 0) + self.stop
        low = np.concatenate([where.low, np.full(more, -1, np.float32)])
        return spaces.Box(low, np.ones_like(low), dtype=np.float32)


def _centres(world: World, cells: tuple[int, int]) -> Tensor:
    """(N, P): the place of each cell, row by row. A sensor of cells has them already."""
    if isinstance(world.sensor, Grid):
        return torch.eye(world.sensor.places)
    pair = cells if isinstance(cells, tuple | list) else ()
    if len(pair) != 2 or not all(isinstance(each, int) and each >= 1 for each in pair):
        raise ValueError(f"cells are (rows, columns), integers of at least 1, not {cells!r}")
    rows, columns = pair
    centres = world.sensor.at(Grid(rows, columns).centres(torch.empty(0)))
    for _ in range(world.places - world.sensor.places):
        more = torch.tensor([-1.0, 0.0, 1.0])[:, None]
        every = centres.repeat_interleave(len(more), 0), more.repeat(len(centres), 1)
        centres = torch.cat(every, 1)
    return centres


def _from_numpy(value: Any, name: str, kind: str, alone: bool) -> Tensor:
    try:
        array = np.asarray(value)
    except ValueError as fault:
        raise ValueError(f"{name!r} is no array: {fault}") from fault
    if array.dtype.kind not in TAKES[kind]:
        raise _wrong(name, kind, array.dtype)
    dtype = np.float32 if kind == "f" else np.int64
    if array.dtype != dtype or not array.flags.carray:
        if array.dtype.kind == "u":
            array = np.minimum(array, 2**62)
        # What float32 cannot hold becomes infinity, which the world clips.
        with np.errstate(over="ignore"):
            array = np.array(array, dtype, order="C")
    return torch.from_numpy(array[None] if alone else array)


def _wrong(name: str, kind: str, dtype: Any) -> ValueError:
    return ValueError(f"{name!r} must be {KINDS[kind]}, not {dtype}")
