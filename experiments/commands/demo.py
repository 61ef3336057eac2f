"""The main job, for a newcomer: hard attention, its controls, soft attention and a CNN, compared.

`make demo`, or `hardattn demo`. Repeating it goes on where it was stopped.
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from ..command_line.command import Command
from ..options.wording import at_least

# The longest first, so that the cores finish together.
RECIPES = (
    "ram-digits",
    "raster-digits",
    "random-digits",
    "sat-soft-digits",
    "centre-digits",
    "small-cnn-digits",
)
LEARNED = ("ram-digits",)  # where to look


@dataclass(frozen=True)
class Options:
    """Where, and how many at a time."""

    out: Path = Path("runs/demo")
    """The folder of its runs."""
    workers: int = 2
    """Trainings at a time."""

    def __post_init__(self) -> None:
        at_least(self, 1, "workers")


def run(given: Options) -> int:
    """Train all, compare all."""
    from ..studies.comparison import compare
    from ..studies.policy_gain.measure import gains, tell
    from ..sweeps.parallel import sweep

    since = time.perf_counter()
    print(
        f"{len(RECIPES)} trainings on real handwritten digits, {given.workers} at a time, one core "
        "each: some four minutes.\n"
        "A look shows 6x6 pixels at three scales; the digit may be anywhere on a 48x48 canvas.\n"
        f"Watch the curves and the looks meanwhile: tensorboard --logdir {given.out}\n",
        file=sys.stderr,
    )
    code = sweep([[recipe, "--out", str(given.out)] for recipe in RECIPES], given.workers)
    if code:
        return code
    done, faults = gains([given.out / recipe for recipe in LEARNED])
    tell(done)
    page = compare([given.out / recipe for recipe in RECIPES], given.out, "random-digits")
    print(f"\n{time.perf_counter() - since:.0f} s in all. Open {page} in a browser.")
    for line in faults:
        print(f"error: {line}", file=sys.stderr)
    return 2 * bool(faults)


COMMAND = Command("demo", "the main job, for a newcomer: some four minutes", Options, run)
