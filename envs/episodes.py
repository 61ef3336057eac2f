"""Which episode comes next: every one a pure function of its environment's seed and its number.

So what an environment shows depends neither on how many others there are nor on when they are
reset, and many episodes may be made ahead, in one call.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from hardattn.data import Split, load
from hardattn.rng import CounterRNG, below
from hardattn.scenes import MakeScenes, Scenes, fixed_scenes
from hardattn.world import Observation, World

AHEAD = 1024  # scenes that are made in one call, if there are fewer environments;
NUMBERS = 16  # if there are more, so many of each,
PIXELS = 2**22  # and at most so many pixels
EPISODE = 0xD1342543DE82EF95 - 2**64  # odd, and no small multiple of what a stream goes on by


@dataclass(frozen=True, eq=False)
class NamedSplit(Split):
    """A split of a dataset that `load` knows: pickled by name, and one for all in a process."""

    dataset: str
    split: str

    def to(self, device: torch.device | str) -> Split:
        return split_of(self.dataset, self.split, str(device))

    def __reduce__(self) -> Any:
        return split_of, (self.dataset, self.split, str(self.device))


@lru_cache(maxsize=12)
def split_of(dataset: str, split: str, device: str = "cpu") -> Split:
    """A split of the dataset of that name, loaded once. Raises DataError, ValueError."""
    if split not in ("train", "validation", "test"):
        raise ValueError(f"no split {split!r}: choose train, validation or test")
    found = getattr(_loaded(dataset), split).to(device)
    return NamedSplit(found.images, found.labels, dataset, split, part=split)


def classes_of(dataset: str) -> tuple[str, ...]:
    """The names of its classes."""
    return tuple(_loaded(dataset).classes)


@lru_cache(maxsize=4)
def _loaded(dataset: str) -> Any:
    return load(dataset)


@dataclass(frozen=True, eq=False)
class Problem:
    """A world, and where its scenes come from."""

    world: World
    make: MakeScenes
    split: Split
    answers: tuple[str, ...]  # the names of all that can be answered

    def __len__(self) -> int:
        return len(self.split)

    def to(self, device: torch.device | str) -> "Problem":
        """The same problem on another device."""
        if torch.device(device) == self.split.device:
            return self
        return Problem(self.world, self.make, self.split.to(device), self.answers)


class Episodes(NamedTuple):
    """The beginnings of R episodes."""

    scenes: Scenes
    view: Any
    seen: Observation  # at the first look
    context: Tensor  # (R, ...)
    box: Tensor  # (R, M, 4) of the targets, 0 where there is none
    valid: Tensor | None  # (R,) bool, whether it counts; None if all do


class RandomEpisodes:
    """Scenes drawn from (seed, number): image and noise, uniformly, for ever."""

    def __init__(self, problem: Problem):
        self.problem = problem

    def one(self) -> Episodes:
        """The first episode from 0: an example of all."""
        nought = torch.zeros(1, dtype=torch.int64, device=self.problem.split.images.device)
        return self.draw(nought, nought)

    def draw(self, start: Tensor, number: Tensor, index: Tensor | None = None) -> Episodes:
        """Row r is episode number[r] of an environment that starts from start[r], (R,) int64.

        index: (R,) which images, in place of random ones; the noise is the same.
        """
        world, split = self.problem.world, self.problem.split
        stream = CounterRNG(start + number * EPISODE)
        drawn = below(len(split), (len(start), 1), stream, start.device)[:, 0]
        scenes = self.problem.make(split, drawn if index is None else index, stream)
        return _opened(world, scenes, world.first(scenes, cast(Any, stream)))


class SplitEpisodes:
    """The frozen scenes of a split, each once and in order: environment i has i, i + B, i + 2B, ...

    Scenes and first looks are those of `fixed_scenes(make, split, seeds[0])` and of `evaluate(...,
    seed=seeds[1])`. What comes after the last is the last one again, and not valid.
    """

    def __init__(self, problem: Problem, count: int, seeds: tuple[int, int]):
        self.problem, self.count, self.seeds = problem, count, seeds
        self.scenes = fixed_scenes(problem.make, problem.split, seeds[0])
        generator = torch.Generator().manual_seed(seeds[1])
        self.first = problem.world.first(self.scenes, generator)

    def __reduce__(self) -> Any:
        return SplitEpisodes, (self.problem, self.count, self.seeds)

    def draw(self, row: Tensor, number: Tensor, index: Tensor | None = None) -> Episodes:
        """Episode number[r] of environment row[r]."""
        at = row + number * self.count
        valid, at = at < len(self.scenes), at.clamp(max=len(self.scenes) - 1)
        return _opened(self.problem.world, self.scenes.rows(at), self.first[at], valid)


def _opened(world: World, scenes: Scenes, first: Tensor, valid: Tensor | None = None) -> Episodes:
    view, context = world.open(scenes), world.context(scenes).float()
    seen = world.observe(view, world.place(first), 0)
    return Episodes(scenes, view, seen, context, scenes.box.nan_to_num(nan=0.0), valid)


class Prefetch:
    """Episodes of B environments in step, several numbers made at once and handed out singly."""

    def __init__(self, draw: Callable[[Tensor, Tensor], Episodes], who: Tensor):
        self.draw, self.who = draw, who
        self.start, self.count = 0, 0
        self.whole: Episodes  # number after number, B rows of each
        self.parts: list[Episodes] = []

    def take(self, number: int) -> Episodes:
        """Episode `number` of each environment."""
        at = self.reach(number)
        self.parts = self.parts or parted(self.whole, self.count)
        return self.parts[at]

    def reach(self, number: int) -> int:
        """How many numbers of those that are made come before this one, which is made if need be.

        Its rows of `whole` are those from B times as many on.
        """
        if not 0 <= number - self.start < self.count:
            # Twice as many each time: who resets with a seed every time needs no more than one.
            many, count, who = len(self.who), max(1, 2 * self.count), self.who
            if self.count:
                pixels = math.prod(self.whole.scenes.shape)
                most = min(max(AHEAD, NUMBERS * many), PIXELS // pixels)
                count = min(count, max(1, most // many))
            numbers = torch.full_like(who, number)
            if count > 1:
                who = who.repeat(count)
                numbers = number + torch.arange(count, device=who.device).repeat_interleave(many)
            self.start, self.count, self.parts = number, count, []
            self.whole = self.draw(who, numbers)
        return number - self.start


def parted(tree: Any, count: int) -> list[Any]:
    """The tensors of nested tuples in so many parts of equal numbers of rows."""
    if count == 1:
        return [tree]
    if isinstance(tree, Tensor) and len(tree):
        return list(tree.split(len(tree) // count))
    if isinstance(tree, tuple):
        each = zip(*(parted(part, count) for part in tree), strict=True)
        return [type(tree)(*part) if hasattr(tree, "_fields") else part for part in each]
    return [tree] * count


def mapped(change: Callable[..., Tensor], *trees: Any) -> Any:
    """`change` of the tensors at each place of nested tuples of one form."""
    tree = trees[0]
    if isinstance(tree, Tensor):
        return change(*trees)
    if isinstance(tree, tuple):
        parts = [mapped(change, *each) for each in zip(*trees, strict=True)]
        return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)
    return tree
