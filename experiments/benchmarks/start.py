"""How long it takes to begin: `hardattn bench start`.

CPU seconds of a process of its own, beyond those that `import torch` takes in one: of `hardattn
--help`, of a training of digits up to the end of its first update, and of one of ten updates with
all that comes after them: validation, the test scenes, its figures.
"""

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hardattn.device import tune

from ..kinds import Json
from ..recipe import UsageError
from .side_by_side import Times, Way, machine, price, report, rounds
from .versions import ROOT, check, version

RECIPE, BATCH = "ram-digits", 256
ROUNDS = 3
TRAIN = f"['train', '{RECIPE}', '--batch-size', '{BATCH}', '--images', '{{images}}', '--out', OUT]"
RUN = "from hardattn.experiments.cli import main; code = main({words}); assert not code, code"
# Ends where the first update does. Its code is imported before the command needs it, once.
FIRST = f"""
import os
import hardattn
from hardattn.training.loop import Training
before = Training.update
def update(self):
    before(self)
    os._exit(0)
Training.update = update
{RUN.format(words=TRAIN.format(images=10 * BATCH))}
"""
# By name, programs; the first is the limit of those that need it.
PROGRAMS = {
    "import torch": "import hardattn, torch",
    "hardattn --help": RUN.format(words="['--help']"),
    "to the first update": FIRST,
    "ten updates and all after them": RUN.format(words=TRAIN.format(images=10 * BATCH)),
}
WITHOUT_TORCH = ("hardattn --help",)


def measure(save: bool, other: Path | None = None) -> None:
    """Measure, print, and save if asked."""
    check(other)
    product = tune(threads=1)
    here = machine()
    rows = starting(None if other is None else other.resolve())
    report("start", rows, here, product, save)


def starting(
    other: Path | None = None, programs: Sequence[str] = tuple(PROGRAMS), count: int = ROUNDS
) -> list[Json]:
    """Seconds of each, `beyond` those of importing torch; of another version first, if there is."""
    names = {ROOT: "this version"} | ({} if other is None else {other: version(other)})
    ways: dict[str, Way] = {}
    for checkout, name in reversed(names.items()):
        for what in programs:
            ways[f"{what}, {name}"] = _Program(checkout, PROGRAMS[what])
    found = rounds(ways, count, warm=False)
    rows = []
    for name in reversed(names.values()):
        torch_alone = found[f"{programs[0]}, {name}"]
        for what in programs:
            full = f"{what}, {name}"
            there = None if other is None else found[f"{what}, {names[other]}"]
            beside = None
            if there is not None and name == names[ROOT]:
                beside = (f"that of {names[other]}", there)  # type: ignore[index]
            limit = None if what in WITHOUT_TORCH else torch_alone
            beyond = {} if limit is None else {"beyond": _beyond(found[full], limit)}
            rows.append(price(full, "CPU s", found[full], limit, beside, **beyond))
    return rows


def _beyond(taken: Times, limit: Times) -> float:
    return round(taken.least - limit.least, 3)


class _Program:
    """A program in a checkout, as a way: the CPU seconds that a process of its own takes for it."""

    def __init__(self, checkout: Path, code: str):
        self.checkout, self.code = checkout, code

    def __call__(self) -> float:
        before = _of_children()
        with tempfile.TemporaryDirectory() as out:
            done = subprocess.run(
                [sys.executable, "-P", "-c", f"OUT = {out!r}\n{self.code}"],
                cwd=self.checkout,
                env={**os.environ, "PYTHONPATH": str(self.checkout)},
                capture_output=True,
                text=True,
            )
        if done.returncode:
            said = done.stderr.strip().splitlines() or ["nothing was said"]
            raise UsageError(f"{self.checkout}: cannot be measured ({said[-1]})")
        return _of_children() - before


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
