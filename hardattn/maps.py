"""Attention maps as part of a block's interface: what attends says so, and may be overruled.

A block owns an `AttentionMap`, passes its map through it and goes on with what comes back. As a
rule that is the map itself; inside `recorded(model)` it is noted down, inside `replaced(model,
change)` another takes its place, which is how one asks whether attending mattered. Both are torch's
own forward hooks on the maps of the model that is given: no other model is heard, nor another
thread that runs the same one. What a block charges goes through `charge`.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from hardattn.noise import scope, scoped

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

    name: str  # of its AttentionMap within the model: model.get_submodule(name)
    kind: str  # a row of KINDS
    tensor: Tensor  # (B, ...), as it was used
    over: tuple[int, ...]  # the dimensions over which it sums to one; () for gates
    at: Density | None

    @property
    def block(self) -> str:
        """The name within the model of the block that declared it; "" where that is the model."""
        return self.name.rpartition(".")[0]

    @property
    def density(self) -> Tensor | None:
        """(B, H, W), at least zero, not normalised; None where the map is not about places."""
        return None if self.at is None else self.at(self.tensor)


class AttentionMap(nn.Module):
    """The identity on a map, which says what it is: forward hooks read the map, or replace it.

    kind: a row of KINDS, which gives the shape. over: the dimensions that sum to one, counted from
    the end (negative). It has no state, so a block's weights are the same with and without it.
    """

    def __init__(self, kind: str, over: tuple[int, ...] = ()):
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"no kind of map {kind!r}: choose one of {', '.join(KINDS)}")
        self.kind, self.over = kind, over

    def forward(self, weights: Tensor, *, density: Density | None = None) -> Tensor:
        """density: what this map says about places, (B, H, W), where KINDS does not."""
        return weights

    def extra_repr(self) -> str:
        return f"{self.kind!r}, over={self.over}"

    @property
    def heard(self) -> bool:
        """Whether a hook awaits the map: what is made for it alone need not be made otherwise."""
        return bool(self._forward_hooks)


def charge(cost: Tensor) -> None:
    """Charge (B,) for attending: a divergence, a penalty. Lost where nobody collects it."""
    charges = scope().charges
    if charges is not None:
        charges.append(cost)


@contextmanager
def recorded(model: object) -> Iterator[list[Map]]:
    """The maps of this model that are made inside, in their order, as they are used.

    What is no torch module has none.
    """
    maps: list[Map] = []
    with _hooked(model, maps.append):
        yield maps


@contextmanager
def replaced(model: object, change: Callable[[Map], Tensor]) -> Iterator[None]:
    """Every map of this model inside is what `change` makes of it, of the same shape.

    Of several, the innermost changes a map first. A `recorded`, inside or outside, has the last.
    """
    with _hooked(model, change, first=True):
        yield


@contextmanager
def _hooked(
    model: object, tell: Callable[[Map], Tensor | None], first: bool = False
) -> Iterator[None]:
    """Tell of each map of the model that this thread makes inside; first: before other hooks."""
    opened = object()

    def hook_of(name: str) -> Callable[..., Tensor | None]:
        def hook(part: AttentionMap, given: Any, options: Any, made: Tensor) -> Tensor | None:
            # The hooks of a module are there for all threads that run it.
            if opened not in scope().listeners:
                return None
            density = options.get("density") or KINDS[part.kind]
            return tell(Map(name, part.kind, made, part.over, density))

        return hook

    parts = model.named_modules() if isinstance(model, nn.Module) else ()
    handles = [
        part.register_forward_hook(hook_of(name), with_kwargs=True, prepend=first)
        for name, part in parts
        if isinstance(part, AttentionMap)
    ]
    try:
        with scoped(listeners=(*scope().listeners, opened)):
            yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def charged() -> Iterator[list[Tensor]]:
    """What the blocks that run inside charge, each (B,)."""
    costs: list[Tensor] = []
    with scoped(charges=costs):
        yield costs


def mean_map(one: Map) -> Tensor:
    """Control: the mean map of the batch for every image, which attends to nothing in particular.

    A mean of distributions is one. Raises ValueError for an image that is alone in its batch.
    """
    return _of_several(one).mean(0, keepdim=True).expand_as(one.tensor)


def foreign_map(one: Map) -> Tensor:
    """Control: the map of another image, the one before in the batch.

    Raises ValueError for an image that is alone in its batch.
    """
    return torch.roll(_of_several(one), 1, 0)


def _of_several(one: Map) -> Tensor:
    """The maps of a batch of two images or more: of one image, its own map would come back."""
    if len(one.tensor) < 2:
        raise ValueError(
            f"map {one.name!r}: an image alone in its batch has no other image's map and no mean "
            "but its own; show two or more at once"
        )
    return one.tensor


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
