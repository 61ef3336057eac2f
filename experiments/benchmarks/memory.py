"""How much memory training takes, by the size of the canvas: `hardattn bench memory`.

The most that a process ever held: of RAM at batch 128 on canvases of 28x28 to 4096x4096, beside
what it held before it began, libraries and all. Each canvas has a process of its own.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from hardattn.device import tune

from ..kinds import Json
from .side_by_side import Times, machine, price, report
from .versions import ROOT, answering, check, version

CANVASES = (28, 256, 1024, 4096)
COMPARED = (28, 256, 512)  # with another version, which may have no room for more
BATCH = 128


def measure(save: bool, other: Path | None = None) -> None:
    """Measure, print, and save if asked."""
    check(other)
    product = tune(threads=1)
    here = machine()
    rows = held(ROOT, "this version", CANVASES)
    if other is not None:
        rows += held(other.resolve(), version(other), COMPARED)
    report("memory", rows, here, product, save)


def held(checkout: Path, name: str, canvases: Sequence[int], batch: int = BATCH) -> list[Json]:
    """The most that training ever held, on each canvas; `limit` is what was held before it began.

    machine: megabytes that the machine has.
    """
    rows, whole = [], _whole()
    for side in canvases:
        asked = {"what": "peak", "agent": "ram", "batch": batch, "canvas": side}
        with answering(checkout) as process:
            before, most = process.ask({"what": "before"}), process.ask(asked)
        what = f"train ram, canvas {side}, {name}"
        more: Json = {"canvas": side, "batch": batch, "machine": whole}
        held = Times(most, most)
        rows.append(price(what, "MB", held, Times(before, before), **more))
    return rows


def _whole() -> float:
    """The machine's memory in MB."""
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20)
