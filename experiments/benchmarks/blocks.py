"""From how many places on attention that was invented to be cheap is cheaper than full attention.

`hardattn bench blocks [--save]`. Blocks of 64 channels and 4 heads on square maps of random
features, beside multi-head attention that writes its weights out, and torch's fused kernel of it,
in one process on one core. CPU seconds an image of a forward pass, and of one with its backward
pass, the least of several rounds in turn; nobody listens to the maps. `--save` writes them to
experiments/results/studies/blocks.json.
"""

import json
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.attention import BLOCKS
from hardattn.blocks.multi_head import MultiHead
from hardattn.device import tune
from hardattn.maps import Density

from ..committed import STUDIES
from ..machine import made_with

SAVED = STUDIES / "blocks.json"
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
    print(
        f"{'places':>7}  {'attention':28}{'forward':>12}{'both ways':>12}   full / this, both ways"
    )
    for row in rows:
        times = f"{1e3 * row['forward']:9.3f} ms{1e3 * row['both']:9.3f} ms"
        print(f"{row['places']:7}  {row['what']:28}{times}{row['ratio']:12.2f}")
    found = pays(rows)
    for name, places in found.items():
        print(f"{name}: {'never' if places is None else f'pays from about {places} places on'}")
    if save:
        made = made_with(torch.device("cpu"), 1, product)
        result = {"rows": rows, "pays_from": found, "channels": CHANNELS, "made_with": made}
        SAVED.write_text(json.dumps(result, indent=1) + "\n")
        print(SAVED)


def cheap(
    sides: tuple[int, ...] = SIDES, rounds: int = ROUNDS, least: float = LEAST
) -> list[dict[str, Any]]:
    """Seconds an image of each way on each map; `ratio`: those of the first over these."""
    rows = []
    for side in sides:
        places = side**2
        torch.manual_seed(0)
        count = max(1, min(MOST, PLACES // places))
        x = torch.randn(count, CHANNELS, side, side, requires_grad=True)
        blocks = {name: make(places) for name, make in WAYS.items()}
        best = {(name, both): float("inf") for name in blocks for both in (False, True)}
        for _ in range(rounds):
            for name, both in best:
                taken = seconds(blocks[name], x, both, least) / count
                best[name, both] = min(best[name, both], taken)
        full = best[next(iter(blocks)), True]
        rows += [
            {
                "places": places,
                "what": name,
                "forward": round(best[name, False], 8),
                "both": round(best[name, True], 8),
                "ratio": round(full / best[name, True], 3),
            }
            for name in blocks
        ]
    return rows


def seconds(block: nn.Module, x: Tensor, both: bool, least: float) -> float:
    """CPU seconds of a pass, or of one and its backward pass, over `least` seconds."""
    calls, since = 0, time.process_time()
    while calls < 1 or time.process_time() - since < least:
        with torch.set_grad_enabled(both):
            made = block(x)
        if both:
            made.sum().backward()
        calls += 1
    return (time.process_time() - since) / calls


def pays(rows: list[dict[str, Any]]) -> dict[str, int | None]:
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
