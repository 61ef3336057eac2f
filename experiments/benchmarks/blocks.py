"""From how many places on attention that was invented to be cheap is cheaper than full attention.

`hardattn bench blocks`. Blocks of 64 channels and 4 heads on square maps of random
features, beside multi-head attention that writes its weights out, and torch's fused kernel of it,
in one process on one core. CPU seconds an image of a forward pass, and of one with its backward
pass, the least of several rounds in turn, beside those of the same matrix products and nothing
else; nobody listens to the maps.
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.attention import BLOCKS
from hardattn.blocks.multi_head import MultiHead
from hardattn.device import tune
from hardattn.maps import Density

from ..kinds import Json
from .products import made_of
from .side_by_side import Way, machine, repeated, report, rounds, row

CHANNELS = 64
SIDES = (6, 10, 14, 28, 56)  # of the maps: 36, 100, 196, 784 and 3136 places
ROUNDS, LEAST = 5, 0.1  # rounds of so many seconds
MOST = 8  # images at once, of a map so small that it has not more than so many places in all:
PLACES = 3136
MEMBERS = 49  # places in a cluster of SMYRF, where it has as many clusters as this makes


class Fused(MultiHead):
    """Multi-head attention by torch's own kernel, which never writes the weights out."""

    def attend(self, query: Tensor, key: Tensor, value: Tensor, density: Density) -> Tensor:
        return F.scaled_dot_product_attention(query, key, value)


# What is measured on a map of so many places; the first is what the others are compared with.
WAYS: dict[str, Callable[[int], nn.Module]] = {
    "full, written out": lambda places: BLOCKS["multi_head"].make(CHANNELS),
    "full, fused": lambda places: Fused(CHANNELS),
    "smyrf, 4 clusters": lambda places: BLOCKS["smyrf"].make(CHANNELS),
    f"smyrf, clusters of {MEMBERS}": lambda places: BLOCKS["smyrf"].make(
        CHANNELS, clusters=max(1, places // MEMBERS)
    ),
    "clustered, 16 clusters": lambda places: BLOCKS["clustered"].make(CHANNELS),
    "random features, 64": lambda places: BLOCKS["random_features"].make(CHANNELS),
}


def measure(save: bool) -> None:
    """Measure, print, and save if asked."""
    product = tune(threads=1)
    rows = cheap()
    report("blocks", rows, machine(), product, save)
    for name, places in pays(rows).items():
        print(f"{name}: {'never' if places is None else f'pays from about {places} places on'}")


def cheap(sides: tuple[int, ...] = SIDES, count: int = ROUNDS, least: float = LEAST) -> list[Json]:
    """Rates of each way on each map, both ways, and `forward` alone, an image at a time.

    ratio: how many times as fast as the first, both ways, it is.
    """
    rows: list[Json] = []
    for side in sides:
        places = side**2
        torch.manual_seed(0)
        images = max(1, min(MOST, PLACES // places))
        x = torch.randn(images, CHANNELS, side, side, requires_grad=True)
        blocks = {name: make(places) for name, make in WAYS.items()}
        ways: dict[str, Way] = {}
        for name, block in blocks.items():
            through = partial(both_ways, block, x)
            ways[name] = repeated(through, images, least)
            ways[f"{name}: forward"] = repeated(partial(forward, block, x), images, least)
            ways[f"{name}: products"] = repeated(made_of(through).replay, images, least / 2)
        found = rounds(ways, count)
        first = next(iter(blocks))
        for name in blocks:
            more = {"places": places, "forward": round(1 / found[f"{name}: forward"].least, 2)}
            limit, beside = found[f"{name}: products"], (f"{first}", found[first])
            rows.append(row(name, "images/s", found[name], limit, beside, **more))
    return rows


def forward(block: nn.Module, x: Tensor) -> None:
    """A pass."""
    with torch.no_grad():
        block(x)


def both_ways(block: nn.Module, x: Tensor) -> None:
    """A pass, and its backward pass."""
    block(x).sum().backward()


def pays(rows: list[Json]) -> dict[str, int | None]:
    """From how many places on each way is at least as fast as the first, both ways.

    Between two maps that were measured ratios are taken to be straight lines of logarithms. None
    where it is slower on the largest.
    """
    found: dict[str, int | None] = {}
    for name in [name for name in WAYS if name != next(iter(WAYS))]:
        mine = sorted((row["places"], row["ratio"]) for row in rows if row["what"] == name)
        found[name] = mine[0][0] if mine[-1][1] >= 1 else None
        for (before, less), (after, more) in pairwise(mine):
            if less < 1 <= more:
                share = torch.tensor([less, more, before, after], dtype=torch.float64).log()
                step = -share[0] / (share[1] - share[0])
                found[name] = round((share[2] + step * (share[3] - share[2])).exp().item())
    return found
