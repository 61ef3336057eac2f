"""Scenes as they are looked at, and how those that all are measured on are frozen."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from hardattn.data import Split
from hardattn.data.memory import at_once, refuse
from hardattn.rng import Generator

UNCUED = torch.empty(0, 0)


class Scenes(NamedTuple):
    """B images to look at, and what only a task, a report or an oracle may read."""

    image: Tensor  # (B, C, H, W) uint8
    target: Tensor  # (B,) int64; (B, S) of a sequence, -1 where it is over
    box: Tensor  # (B, M, 4) x0, y0, x1, y1 of M targets, in the coordinates of locations; NaN: none
    index: Tensor  # type: ignore[assignment]  # (B,) int64, the image of the split that is the first
    cue: Tensor = UNCUED  # (B, D) what may be told of the task beforehand; (0, 0): nothing

    def __len__(self) -> int:
        return len(self.image)

    @property
    def centre(self) -> Tensor:
        """(B, 2): the centre of the first target's box."""
        return (self.box[:, 0, :2] + self.box[:, 0, 2:]) / 2

    def to(self, device: torch.device | str) -> "Scenes":
        """The same scenes on another device."""
        return Scenes(*(field.to(device) for field in self))

    def repeat(self, times: int) -> "Scenes":
        """Every scene `times` times, copies next to each other: (B * times, ...)."""
        return Scenes(*(field.repeat_interleave(times, 0) for field in self))

    def rows(self, which: Tensor) -> "Scenes":
        """The scenes of these numbers, (R,) int64."""
        return Scenes(*(field[which] if len(field) else field for field in self))

    def slice(self, start: int, stop: int) -> "Scenes":
        """The scenes from `start` up to `stop`."""
        return Scenes(*(field[start:stop] for field in self))


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
    here = split.to("cpu")
    one = make(here, torch.arange(min(1, len(here))), torch.Generator().manual_seed(seed))
    total, many = draws * len(here), at_once(one.image)
    each = sum(field[:1].nbytes for field in one)
    refuse(one.image, each, total, split.images.device)
    whole = [field.new_empty(total if len(field) else 0, *field.shape[1:]) for field in one]
    start = 0
    for part in (part for _ in range(draws) for part in torch.arange(len(here)).split(many)):
        for field, made in zip(whole, make(here, part, generator), strict=True):
            field[start : start + len(made)] = made
        start += len(part)
    return Scenes(*whole).to(split.images.device)
