"""How many scenes a second are measured: `hardattn bench evaluation`.

RAM as it is evaluated, columns and all, and with the figures that are computed from them, beside
the same matrix products and nothing else, and beside a plain RAM that counts its right answers.
"""

import functools
from collections.abc import Sequence

import torch

from hardattn.device import tune
from hardattn.evaluation.metrics import compute

from ..kinds import Json
from .learner import IMAGES, Learner
from .plain import PlainTraining
from .products import made_of
from .side_by_side import Way, by_default, machine, repeated, report, rounds, row

AGENTS = ("ram", "dram", "draw")
SCENES, BATCH = 2_000, 500  # scenes; those that the plain RAM sees at a time
ROUNDS, LEAST = 3, 0.3


def measure(save: bool) -> None:
    """Measure, print, and save if asked."""
    product = tune(threads=1)
    report("evaluation", looking(), machine(), product, save)


def looking(
    agents: Sequence[str] = AGENTS,
    scenes: int = SCENES,
    batch: int = BATCH,
    count: int = ROUNDS,
    least: float = LEAST,
) -> list[Json]:
    """Rates of each agent, of its figures, and of the plain RAM."""
    ways: dict[str, Way] = {}
    for agent in agents:
        one = Learner(agent)
        look = functools.partial(one.look, one.scenes(scenes))
        ways[f"evaluate {agent}"] = repeated(look, scenes, least)
        ways[f"evaluate {agent}: products"] = repeated(made_of(look).replay, scenes, least / 2)
        if agent == agents[0]:
            columns = look()
            figures = functools.partial(compute, columns)
            ways[f"figures of {agent}"] = repeated(figures, scenes, least / 2)
    draw = torch.Generator().manual_seed(0)
    images = torch.randint(256, (IMAGES, 1, 28, 28), generator=draw).to(torch.uint8)
    plain = PlainTraining(images, torch.arange(IMAGES) % 10, batch)
    ways["plain RAM with its loader"] = by_default(repeated(plain.measure, batch, least))
    found = rounds(ways, count)
    beside = ("plain RAM with its loader", found["plain RAM with its loader"])
    rows = []
    for name in ways:
        if not name.endswith(": products"):
            limit = found.get(f"{name}: products")
            of_ram = beside if name in (f"evaluate {agents[0]}", beside[0]) else None
            rows.append(row(name, "scenes/s", found[name], limit, of_ram))
    return rows
