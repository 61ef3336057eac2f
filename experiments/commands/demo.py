"""The main job, for a newcomer: hard attention, its controls, soft attention and a CNN, compared.

`make demo`, or `hardattn demo`. Repeating it goes on where it was stopped.
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from ..command_line.command import Command
from ..options.wording import at_least

SEED = "seed-0"
LEARNED = "ram-digits"  # where to look
FIRST = (LEARNED, "raster-digits")  # as RAM's own mean path is to be known for what comes after
# The longest first, so that the cores finish together.
THEN = ("random-digits", "sat-soft-digits", "centre-digits", "small-cnn-digits")


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

    since = time.perf_counter()
    print(
        f"{len(FIRST) + len(THEN) + 1} trainings on real handwritten digits, {given.workers} at a "
        "time, one core each: some four minutes.\n"
        "A look shows 6x6 pixels at three scales; the digit may be anywhere on a 48x48 canvas.\n"
        f"Watch the curves and the looks meanwhile: tensorboard --logdir {given.out}\n",
        file=sys.stderr,
    )
    code = _train(given)
    if code:
        return code
    orders = {order: given.out / f"{order}-digits" / SEED for order in ("centre", "raster")}
    done, faults = gains([given.out / LEARNED], retrain=True, known=orders)
    tell(done)
    page = compare([given.out / recipe for recipe in (*FIRST, *THEN)], given.out)
    print(f"\n{time.perf_counter() - since:.0f} s in all. Open {page} in a browser.")
    for line in faults:
        print(f"error: {line}", file=sys.stderr)
    return 2 * bool(faults)


def _train(given: Options) -> int:
    """All of them, RAM first: the mean of its paths is an order to train its observer for."""
    from ..studies.policy_gain.fixed_order import words_of
    from ..sweeps.parallel import sweep

    there = ["--out", str(given.out)]
    code = sweep([[recipe, *there] for recipe in FIRST], given.workers)
    if code:
        return code
    own = words_of(given.out / LEARNED / SEED, "mean")
    return sweep([[*words, *there] for words in (own, *([one] for one in THEN))], given.workers)


COMMAND = Command("demo", "the main job, for a newcomer: some four minutes", Options, run)
