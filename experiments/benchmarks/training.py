"""How many images a second are learned from, by agent and by batch: `hardattn bench training`.

Whole trainings of random pixels of MNIST's size, six looks of 8x8, scenes, log and verdicts
included, beside the same matrix products and nothing else, and beside a RAM as one writes it
first (`plain`), with the loader that goes with it, and with its batches at hand.
"""

import functools
from collections.abc import Sequence
from pathlib import Path

import torch

from hardattn.device import tune

from ..kinds import Json
from .learner import IMAGES, Learner
from .plain import PlainTraining
from .products import Made, made_of
from .seeds import SEEDS, together
from .side_by_side import Times, Way, by_default, machine, repeated, report, rounds, row
from .versions import against, check

CASES = (
    ("ram", 32),
    ("ram", 128),
    ("ram", 512),
    ("ram", 2048),
    ("dram", 128),
    ("draw", 128),
    ("cnn", 32),
)
PLAIN = 128  # its batch; what is compared with it
SCENES = 6_000  # of a turn, at most, in that many updates at most:
UPDATES = 40
ROUNDS, LEAST = 5, 0.3  # rounds of so many seconds
COMPARED = (("ram", 128), ("ram", 512))  # with another version


def measure(save: bool, other: Path | None = None) -> None:
    """Measure, print, and save if asked."""
    check(other)
    product = tune(threads=1)
    here = machine()
    rows = learning()
    asked = {
        f"train {agent}, batch {batch}": dict(
            what="whole", agent=agent, batch=batch, updates=updates(agent, batch)
        )
        for agent, batch in COMPARED
    }
    rows += against(other, asked, "images/s", ROUNDS)
    report("training", rows, here, product, save)


def updates(agent: str, batch: int) -> int:
    """How many are a turn; a network that sees everything takes longer for each."""
    return max(3, min(UPDATES, SCENES // batch // (20 if agent == "cnn" else 1)))


def learning(
    cases: Sequence[tuple[str, int]] = CASES,
    plain: int = PLAIN,
    count: int = ROUNDS,
    least: float = LEAST,
    most: int | None = None,
) -> list[Json]:
    """Rates of each agent and batch, and of the plain RAM, whose own stand last.

    most: updates of a turn.
    """
    ways: dict[str, Way] = {}
    made: dict[str, Made] = {}
    for agent, batch in cases:
        name, turn = f"train {agent}, batch {batch}", updates(agent, batch)
        one = Learner(agent, batch, updates=min(turn, most or turn))
        one.update()
        made[name] = made_of(one.update)
        ways[name] = one.whole
        ways[f"{name}: products"] = repeated(made[name].replay, batch, least)
        if (agent, batch) == ("ram", plain):
            ways[f"{name}, default product"] = by_default(one.whole)
            ways[f"{name}, one update after the other"] = repeated(one.update, batch, least)
            stacked = together(batch)
            stacked()
            ways[f"{name}, {SEEDS} seeds as one"] = repeated(stacked, SEEDS * batch, least)
    loaded, at_hand = plain_ways(plain, least)
    ways["plain RAM with its loader"], ways["plain RAM, batches at hand"] = loaded, at_hand
    found = rounds(ways, count)
    beside = ("plain RAM with its loader", found["plain RAM with its loader"])
    rows = []
    for agent, batch in cases:
        name = f"train {agent}, batch {batch}"
        of_ram = beside if agent == "ram" else None
        products: Times = found[f"{name}: products"]
        more = {"agent": agent, "batch": batch, "kernels": made[name].kernels}
        rows.append(row(name, "images/s", found[name], products, of_ram, **more))
        if (other := f"{name}, default product") in found:
            rows.append(row(other, "images/s", found[other], beside=of_ram))
        if (alone := f"{name}, one update after the other") in found:
            by_one, several = (alone, found[alone]), f"{name}, {SEEDS} seeds as one"
            rows += [row(one, "images/s", found[one], beside=by_one) for one in (alone, several)]
    for name in ("plain RAM with its loader", "plain RAM, batches at hand"):
        rows.append(row(f"{name}, batch {plain}", "images/s", found[name], beside=beside))
    return rows


def plain_ways(batch: int, least: float) -> tuple[Way, Way]:
    """The plain RAM with its loader, and with batches that are loaded already.

    Nobody who writes it first asks which matrix product he gets.
    """
    draw = torch.Generator().manual_seed(0)
    images = torch.randint(256, (IMAGES, 1, 28, 28), generator=draw).to(torch.uint8)
    training = PlainTraining(images, torch.arange(IMAGES) % 10, batch)
    kept = next(training.batches)
    at_hand = functools.partial(training.update, kept)
    loaded = repeated(training.update, batch, least)
    return by_default(loaded), by_default(repeated(at_hand, batch, least))
