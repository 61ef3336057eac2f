"""Scenes as they are looked at, and how those that all are measured on are frozen."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from hardattn.data import Split
from hardattn.data.memory import at_once, refuse
from hardattn.rng import Generator
from hardattn.scenes.altered import Unpainted

UNCUED = torch.empty(0, 0)
UNLABELLED = torch.empty(0, dtype=torch.int64)
UNNAMED = torch.empty(0, 0, dtype=torch.int64)


class Scenes(NamedTuple):
    """B images to look at, and what only a task, a report or an oracle may read."""

    picture: Tensor | Unpainted  # (B, C, H, W) uint8, or what shows windows on it: see `image`
    target: Tensor  # (B,) int64; (B, S) of a sequence, -1 where it is over
    box: Tensor  # (B, M, 4) x0, y0, x1, y1 of M targets, in the coordinates of locations; NaN: none
    index: Tensor  # type: ignore[assignment]  # (B,) int64, the image of the split that is the first
    cue: Tensor = UNCUED  # (B, D) what may be told of the task beforehand; (0, 0): nothing
    label: Tensor = UNLABELLED  # (B,) int64, the first's class where the target is none; else (0,)
    named: Tensor = UNNAMED  # (B, S) int64 which box each word names, -1: none; (0, 0): no sentence

    def __len__(self) -> int:
        return len(self.target)

    @property
    def image(self) -> Tensor:
        """(B, C, H, W) uint8, for those who see everything.

        Large scenes are painted each time that this is read. What only windows on them show, or
        their size and device, costs less: see `picture`, `shape` and `device`.
        """
        return self.picture if isinstance(self.picture, Tensor) else self.picture.painted()

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        _, channels, height, width = self.picture.shape
        return channels, height, width

    @property
    def device(self) -> torch.device:
        """Where the scenes are, though large images that they show may be elsewhere."""
        return self.box.device

    @property
    def centre(self) -> Tensor:
        """(B, 2): the centre of the first target's box."""
        return (self.box[:, 0, :2] + self.box[:, 0, 2:]) / 2

    def tensors(self) -> list[Tensor]:
        """All that is held of these scenes, a tensor each."""
        return list(_tensors(tuple(self)))

    def each(self, change: Callable[[Tensor], Tensor]) -> "Scenes":
        """The scenes with every tensor that they are held in changed."""
        return Scenes(*(_changed(field, change) for field in self))

    def to(self, device: torch.device | str) -> "Scenes":
        """The same scenes on another device."""
        return Scenes(self.picture.to(device), *(field.to(device) for field in self[1:]))

    def repeat(self, times: int) -> "Scenes":
        """Every scene `times` times, copies next to each other: (B * times, ...)."""
        return self.each(lambda field: field.repeat_interleave(times, 0))

    def rows(self, which: Tensor) -> "Scenes":
        """The scenes of these numbers, (R,) int64."""
        return self.each(lambda field: field[which] if len(field) else field)

    def slice(self, start: int, stop: int) -> "Scenes":
        """The scenes from `start` up to `stop`."""
        return self.each(lambda field: field[start:stop])


def _changed(tree: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """A field of scenes with its tensors changed; what is no tensor belongs to no scene alone."""
    if isinstance(tree, Tensor):
        return change(tree)
    if isinstance(tree, tuple):
        return type(tree)(*(_changed(part, change) for part in tree))
    return tree


def _tensors(tree: Any) -> Iterator[Tensor]:
    if isinstance(tree, Tensor):
        yield tree
    elif isinstance(tree, tuple):
        for part in tree:
            yield from _tensors(part)


def concatenate(parts: Sequence[Scenes]) -> Scenes:
    """Scenes one after the other, all of one kind."""
    held = iter([torch.cat(each) for each in zip(*(part.tensors() for part in parts), strict=True)])
    return parts[0].each(lambda _: next(held))


def inside(point: Tensor, box: Tensor) -> Tensor:
    """(..., B, 2) points, (B, M, 4) boxes -> (..., B) bool: in any of them, borders included."""
    point = point[..., None, :]
    return ((point >= box[..., :2]) & (point <= box[..., 2:])).all(-1).any(-1)


MakeScenes = Callable[[Split, Tensor, Generator | None], Scenes]


def fixed_scenes(make: MakeScenes, split: Split, seed: int, draws: int = 1) -> Scenes:
    """Every image of a split as `draws` scenes that depend on the seed alone.

    They are made on the CPU whatever the split's device, in fixed chunks (see `memory.at_once`), so
    that every agent on every machine is measured on the same scenes. Order: the whole split, then
    again; the first draw is the same however many follow. Raises ValueError, before it makes them,
    for more than there is memory for.
    """
    generator = torch.Generator().manual_seed(seed)
    here, device = split.to("cpu"), split.device
    one = make(here, torch.arange(min(1, len(here))), torch.Generator().manual_seed(seed))
    total, many = draws * len(here), at_once(one.shape)
    each = sum(field[:1].nbytes for field in one.tensors())
    refuse(one.shape, each, total, device)
    whole = one.each(lambda field: field.new_empty(total if len(field) else 0, *field.shape[1:]))
    start = 0
    for part in (part for _ in range(draws) for part in torch.arange(len(here)).split(many)):
        made = make(here, part, generator)
        for field, rows in zip(whole.tensors(), made.tensors(), strict=True):
            field[start : start + len(rows)] = rows
        start += len(part)
    if not isinstance(whole.picture, Tensor):  # whose images the split has there already
        picture: Any = whole.picture
        whole = Scenes(picture.over(split.images).moved(device), *whole[1:])
    return whole.to(device)
