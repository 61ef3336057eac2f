"""Attention maps as part of a block's interface: what attends says so, and may be overruled.

A block passes its map through `emit` and goes on with what comes back. As a rule that is the map
itself, at no cost; inside `recorded` it is noted down, inside `replaced` another takes its place,
which is how one asks whether attending mattered. What a block charges goes through `charge`.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

Density = Callable[[Tensor], Tensor]


def of_spatial(gate: Tensor) -> Tensor:
    """(B, 1, H, W) gates -> themselves."""
    return gate[:, 0]


def of_full(gate: Tensor) -> Tensor:
    """(B, C, H, W) gates -> their mean over channels."""
    return gate.mean(1)


def of_codes(codes: Tensor) -> Tensor:
    """(B, K, H, W) codes -> at each place the largest of them."""
    return codes.amax(1)


def of_gradient(activation: Tensor) -> Tensor:
    """(B, 1, H, W) class activation maps -> themselves."""
    return activation[:, 0]


# What a map can be, with its shape; and what it says about places, where that follows from it.
KINDS: dict[str, Density | None] = {
    "channel gate": None,  # (B, C)
    "spatial gate": of_spatial,  # (B, 1, H, W)
    "full gate": of_full,  # (B, C, H, W)
    "pairwise": None,  # (B, heads, N, N): `received` with the grid's sides, where places attend
    "pooled query": None,  # (B, Q, N): `pooled`
    "local": None,  # (B, H, W, neighbours), or (B, heads, H, W, neighbours)
    "codes": of_codes,  # (B, K, H, W)
    "branch": None,  # (B, M, C): what share of each channel comes from each of M branches
    "geometric": None,  # parameters of a transform, (B, P), or offsets, (B, P, H, W)
    "gradient": of_gradient,  # (B, 1, H, W)
    "deviation": of_spatial,  # (B, 1, H, W): how noisy attention is, a standard deviation
}


def received(height: int, width: int) -> Density:
    """(B, heads, N, N), rows that attend to columns -> the attention that each place gets."""
    return lambda weights: weights.mean((1, 2)).unflatten(1, (height, width))


def pooled(height: int, width: int) -> Density:
    """(B, Q, N) -> the mean over the queries, (B, height, width)."""
    return lambda weights: weights.mean(1).unflatten(1, (height, width))


def splatted(
    rows: Tensor, columns: Tensor, height: int, width: int, counts: Tensor | None = None
) -> Tensor:
    """How much of each pixel bilinear sampling reads, at points that are given in pixels.

    (B, M) rows and columns, 0 the centre of the first pixel, and how much each point counts, where
    that is not one -> (B, height, width). What lies outside reads nothing.
    """

    def near(places: Tensor, pixels: int) -> Tensor:
        distance = (places[..., None] - torch.arange(pixels, device=places.device)).abs()
        return (1 - distance).clamp_min(0)

    down = near(rows, height)
    if counts is not None:
        down = down * counts[..., None]
    return down.mT @ near(columns, width)


class Map(NamedTuple):
    """One map, as the block declared it."""

    block: nn.Module
    kind: str  # a row of KINDS
    tensor: Tensor  # (B, ...), as it was used
    over: tuple[int, ...]  # the dimensions over which it sums to one; () for gates
    at: Density | None

    @property
    def density(self) -> Tensor | None:
        """(B, H, W), at least zero, not normalised; None where the map is not about places."""
        return None if self.at is None else self.at(self.tensor)


class _Listening:
    """Who is told of maps and of charges at this moment, in this process."""

    maps: Callable[[Map], Tensor] | None = None
    charges: list[Tensor] | None = None


def emit(
    block: nn.Module,
    kind: str,
    tensor: Tensor,
    over: tuple[int, ...] = (),
    density: Density | None = None,
) -> Tensor:
    """Declare a map; returns what the block is to go on with.

    kind: a row of KINDS, which gives the shape. over: the dimensions that sum to one, counted from
    the end (negative). density: what the map says about places, (B, H, W), where KINDS does not.
    """
    listener = _Listening.maps
    if listener is None:
        return tensor
    return listener(Map(block, kind, tensor, over, density or KINDS[kind]))


def listening() -> bool:
    """Whether anybody asks for maps: what is made for a map alone need not be made otherwise."""
    return _Listening.maps is not None


def charge(cost: Tensor) -> None:
    """Charge (B,) for attending: a divergence, a penalty. Lost where nobody collects it."""
    if _Listening.charges is not None:
        _Listening.charges.append(cost)


@contextmanager
def recorded() -> Iterator[list[Map]]:
    """The maps of all blocks that run inside, in the order in which they ran."""
    maps: list[Map] = []

    def note(one: Map) -> Tensor:
        used = one.tensor if before is None else before(one)
        maps.append(one._replace(tensor=used))
        return used

    before, _Listening.maps = _Listening.maps, note
    try:
        yield maps
    finally:
        _Listening.maps = before


@contextmanager
def replaced(change: Callable[[Map], Tensor]) -> Iterator[None]:
    """Every map inside is what `change` makes of it, of the same shape."""

    def change_first(one: Map) -> Tensor:
        changed = change(one)
        return changed if before is None else before(one._replace(tensor=changed))

    before, _Listening.maps = _Listening.maps, change_first
    try:
        yield
    finally:
        _Listening.maps = before


@contextmanager
def charged() -> Iterator[list[Tensor]]:
    """What the blocks that run inside charge, each (B,)."""
    before = _Listening.charges
    costs: list[Tensor] = []
    _Listening.charges = costs
    try:
        yield costs
    finally:
        _Listening.charges = before


def mean_map(one: Map) -> Tensor:
    """Control: the mean map of the batch for every image, which attends to nothing in particular.

    A mean of distributions is one.
    """
    return one.tensor.mean(0, keepdim=True).expand_as(one.tensor)


def foreign_map(one: Map) -> Tensor:
    """Control: the map of another image, the one before in the batch."""
    return torch.roll(one.tensor, 1, 0)


CONTROLS: dict[str, Callable[[Map], Tensor]] = {"mean": mean_map, "foreign": foreign_map}


def strongest(share: float) -> Callable[[Map], Tensor]:
    """Keeps the largest entries, `share` of them (rounded up), and makes the others 0.

    Of a map that sums to one over some dimensions, among these, and what is left sums to one again;
    of gates, among all of an image. Parameters of a transform, and what is only shown, stay.
    """

    def keep(one: Map) -> Tensor:
        if one.kind in NOT_WEIGHTS:
            return one.tensor
        rank = one.tensor.dim()
        over = sorted(each % rank for each in one.over) or list(range(1, rank))
        last = list(range(rank - len(over), rank))
        moved = one.tensor.movedim(over, last)
        flat = moved.flatten(last[0])
        count = math.ceil(share * flat.shape[-1] - 1e-9)
        largest = flat.abs().topk(count, -1).indices
        left = torch.zeros_like(flat).scatter(-1, largest, flat.gather(-1, largest))
        if one.over:
            total = left.sum(-1, keepdim=True)
            left = left / torch.where(total == 0, 1.0, total)
        return left.view_as(moved).movedim(last, over)

    return keep


# What `strongest` would not make sparser but break, and what nothing is read from.
NOT_WEIGHTS = ("geometric", "gradient", "deviation")
