"""Few environments in step: their usual steps in NumPy, for a call of torch costs more than these.

A usual step is one in which all environments are at the same look and are told where to look next
and a class. What else may be asked is left to `Stepping`, which this is, and so are the beginnings
of episodes, which are made ahead: here is nothing of a world's rules but how far a place may lie
and where a retina of one scale cuts. Both ways are equal to the bit.
"""

from collections.abc import Iterable
from operator import add, mul
from struct import pack, unpack
from typing import Any

import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from torch import Tensor

from hardattn.scenes import Scenes
from hardattn.sensors import Retina, Sensor
from hardattn.sensors.retina import TIE
from hardattn.sensors.windows import Points
from hardattn.world import Observation, World

from .actions import Act, Actions
from .episodes import Episodes, Prefetch, Problem
from .rewards import Rewards
from .stepping import Facts, Flag, Stepping, StepResult, settled

Array = NDArray[Any]
LEAST, LARGEST = np.array([-1.0], np.float32), np.array([1.0], np.float32)
LAZY = ("episodes", "view", "seen")  # what Stepping keeps, and arrays stand for here
OURS = ("opened", "kept", "shown_to_eye", "first", "told", "known", "glimpse", "where", "context")
MOST = 32  # environments; more of them are faster as tensors
SIDE = 512  # pixels of an image's longer side, with whose border there is a copy of each


def fused() -> bool:
    """Whether torch rounds a product and a sum once, as processors do that can, and not twice."""
    one = torch.tensor(1.0 + 2.0**-12)
    return bool(torch.addcmul(-one, one, one) != one * one - one)


class Slices:
    """A retina of one scale: slices of images with a blank border, of whose pixels none is moved.

    A corner is rounded as the retina has it: once where torch does so, for the sum of a product is
    exact in float64, else twice.
    """

    def __init__(self, sensor: Retina, image: tuple[int, int], count: int):
        self.size = sensor.size
        half = torch.tensor([image[1], image[0]]) / 2
        shift = half + self.size / 2 + (0.5 + TIE)
        self.half, self.shift = half.tolist() * count, shift.tolist() * count
        self.floats, self.fused = f"{2 * count}f", fused()
        self.grey = np.arange(256, dtype=np.float32) * (np.float32(1.0) / np.float32(255.0))

    def open(self, made: Prefetch) -> Array:
        """Copies of the images that were made ahead, with a border as wide as a glimpse."""
        around = (self.size, self.size + 1)
        image = made.whole.scenes.image.numpy()
        return np.pad(image, ((0, 0), (0, 0), around, around))

    def begin(self, images: Array, made: Prefetch, number: int, rows: slice) -> Array:
        """Those of episode `number`."""
        return images[rows]

    def look(self, images: Array, place: Array) -> Array:
        """Images with borders, (B, 2) places -> (B, C, G, G) float32."""
        size, left_top = self.size, map(int, self.sums(place))
        if len(images) == 1:
            left, top = left_top
            return self.grey.take(images[:, :, top : top + size, left : left + size])
        seen = np.empty((*images.shape[:2], size, size), np.uint8)
        for row, (left, top) in enumerate(zip(left_top, left_top, strict=True)):
            seen[row] = images[row, :, top : top + size, left : left + size]
        return self.grey.take(seen)

    def sums(self, place: Array) -> tuple[float, ...]:
        """Left and top of one after the other, with the border, before they are cut to pixels."""
        product = map(mul, place.ravel().tolist(), self.half)
        return self.rounded(map(add, product if self.fused else self.rounded(product), self.shift))

    def rounded(self, numbers: Iterable[float]) -> tuple[float, ...]:
        """The float32 that are nearest to them."""
        return unpack(self.floats, pack(self.floats, *numbers))


class Through:
    """Any other sensor of points, asked itself."""

    def __init__(self, sensor: Sensor):
        self.sensor = sensor

    def open(self, made: Prefetch) -> None:
        """Nothing is kept."""

    def begin(self, kept: None, made: Prefetch, number: int, rows: slice) -> Any:
        """What the sensor has of episode `number`."""
        return made.take(number).view

    def look(self, view: Any, place: Array) -> Array:
        """(B, P) places -> (B, ...) glimpses."""
        return self.sensor.look(view, torch.from_numpy(place)).numpy()


class Small(Stepping):
    """Stepping of which the usual steps are NumPy, of problems that it `serves`.

    While `usual`, the state is in arrays, and tensors of it are made where somebody asks for them.
    """

    def __init__(
        self, problem: Problem, count: int, mode: AutoresetMode, judge: Rewards, example: Scenes
    ):
        super().__init__(problem, count, mode, judge, move_cost=0.0)
        assert judge.worth is not None
        self.worth, self.classes = judge.worth.numpy(), problem.world.task.classes
        self.shares = self.steps.numpy()[:, None].repeat(count, 1)
        self.nothing = np.zeros(count, np.float32)
        self.still = StepResult(self.nothing, False, {})
        sensor, (height, width) = self.world.sensor, example.image.shape[2:]
        sliced = type(sensor) is Retina and sensor.scales == 1 and max(height, width) <= SIDE
        self.eye: Any = Slices(sensor, (height, width), count) if sliced else Through(sensor)  # type: ignore[arg-type]
        self.last = self.world.looks - 1
        self.usual = False
        self.opened: Any = None  # the episodes that were made ahead, of which there are arrays

    def __getattr__(self, name: str) -> Any:
        # Only for what is not there: the tensors, of which arrays have the state.
        if name not in LAZY or not self.__dict__.get("usual"):
            raise AttributeError(name)
        assert self.ahead is not None and isinstance(self.next, int)
        self.episodes = episodes = self.ahead.take(self.next - 1)
        self.view, self.seen = episodes.view, episodes.seen
        if self.look:
            place = torch.from_numpy(self.where.copy())
            self.seen = self.world.observe(self.view, place, int(self.look))
        return self.__dict__[name]

    def __getstate__(self) -> dict[str, Any]:
        self._leave()
        state = {name: value for name, value in super().__getstate__().items() if name not in OURS}
        return state | {"opened": None}

    def _leave(self) -> None:
        """Tensors have the state, up to the next episode of all."""
        for name in LAZY:
            getattr(self, name, None)
        self.usual = False

    def reset(
        self,
        seeds: Tensor | None = None,
        seeded: Flag = True,
        which: Flag = True,
        index: Tensor | None = None,
        one_pass: tuple[int, int] | bool | None = None,
    ) -> None:
        if which is not True or not (seeds is None and index is None and one_pass is None):
            self._leave()
        super().reset(seeds, seeded, which, index, one_pass)

    def begin(self, which: Flag = True, index: Tensor | None = None) -> None:
        which = settled(which)
        regular = which is True and index is None and self.source is self.fresh
        if not regular or not isinstance(self.next, int):
            self._leave()
            return super().begin(which, index)
        if self.ahead is None:
            self.ahead = Prefetch(self.source.draw, self.who)
        first = self.ahead.reach(self.next) * self.count
        whole, self.rows = self.ahead.whole, slice(first, first + self.count)
        if self.opened is not whole:
            self._open(whole)
        self.shown_to_eye = self.eye.begin(self.kept, self.ahead, self.next, self.rows)
        self.glimpse, self.where = (each[self.rows] for each in self.first)
        self.context = self.told[self.rows]
        self.look, self.over, self.gained = 0, False, self.judge.nothing
        self.next += 1
        self.usual = True
        for name in LAZY:
            self.__dict__.pop(name, None)

    def _open(self, whole: Episodes) -> None:
        """Arrays of all that was made ahead, which share its memory."""
        assert self.ahead is not None
        self.opened, scenes = whole, whole.scenes
        self.kept = self.eye.open(self.ahead)
        self.first = whole.seen.glimpse.numpy(), whole.seen.location.numpy()
        self.told = whole.context.numpy()
        named = {"label": scenes.target, "box": whole.box, "index": scenes.index}
        self.known = {name: value.numpy() for name, value in named.items()}

    def usually(self, location: Array, answer: Any) -> StepResult | None:
        """`advance` by (B, P) places, finite, and (B,) classes or the (B, K) that name them.

        None where the step is none of the usual ones, and nothing was done.
        """
        if not self.usual or self.over is not False:
            return None
        if self.look == self.last:
            return self._end(answer)
        self.where = np.minimum(np.maximum(location, LEAST), LARGEST)
        self.glimpse = self.eye.look(self.shown_to_eye, self.where)
        self.look += 1
        self.__dict__.pop("seen", None)
        return self.still

    def _end(self, answer: Any) -> StepResult | None:
        if self.mode is AutoresetMode.NEXT_STEP:
            return None
        if isinstance(answer, np.ndarray):
            among = np.minimum(np.maximum(answer, 0), self.classes - 1)
            answer = among if answer.ndim == 1 else answer.argmax(1)
        reward = self.worth[self.known["label"][self.rows] + self.classes * answer]
        looks = np.full(self.count, self.world.looks)
        truth: Facts = {name: (value[self.rows], True) for name, value in self.known.items()}
        ended: Facts = {"return": (reward + np.float32(0.0), True), "looks": (looks, True)}
        if self.mode is AutoresetMode.DISABLED:
            self.over = True
            return StepResult(reward, True, ended | truth)
        seen, context = self.shown()
        self.begin()
        return StepResult(reward, True, {}, seen, context, truth | ended)

    def advance(self, act: Act) -> StepResult:
        self._leave()
        return super().advance(act)

    def facts(self) -> Facts:
        return {} if self.usual else super().facts()

    def shown(self) -> tuple[Any, Any]:
        if not self.usual:
            return super().shown()
        # Nobody writes to them: what is handed on is copied.
        seen: tuple[Any, ...] = (self.glimpse, self.where, self.shares[self.look])
        return Observation(*seen), self.context


def serves(problem: Problem, count: int, judge: Rewards, actions: Actions, example: Scenes) -> bool:
    """Whether all steps that are usual can be made in arrays; see `Small`."""
    world, sensor = problem.world, problem.world.sensor
    kind: Any = type(sensor)
    return (
        count <= MOST
        and actions.device.type == "cpu"
        and torch.get_default_dtype() == torch.float32
        and type(world) is World
        and issubclass(kind, Points)
        and kind.bound is Points.bound
        and world.reach is None
        and judge.worth is not None
        and example.target.dim() == 1
        and (actions.mode, actions.answer, actions.stop) == ("place", "class", False)
    )
