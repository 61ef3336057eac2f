"""The main job, for a newcomer: hard attention, its controls, soft attention and a CNN, compared.

`make demo`, or `hardattn demo`. Repeating it goes on where it was stopped.
"""

import argparse
import sys
import time
from pathlib import Path

from ..command import obey
from .sweep import sweep

# The longest first, so that the cores finish together.
RECIPES = (
    "ram-digits",
    "ram-leave-one-out-digits",
    "random-digits",
    "sat-soft-digits",
    "cnn-digits",
    "centre-digits",
)
LEARNED = ("ram-digits", "ram-leave-one-out-digits")  # where to look


def main(arguments: list[str] | None = None) -> int:
    """Train all, compare all. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="hardattn demo", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="default: runs/demo")
    parser.add_argument("--workers", type=int, default=2, help="trainings at a time (default: 2)")
    given = parser.parse_args(arguments)

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

    from ..studies.policy_gain.measure import gains, tell
    from .report import compare

    done, faults = gains([given.out / recipe for recipe in LEARNED])
    tell(done)
    page = compare([given.out / recipe for recipe in RECIPES], given.out, "random-digits")
    print(f"\n{time.perf_counter() - since:.0f} s in all. Open {page} in a browser.")
    for line in faults:
        print(f"error: {line}", file=sys.stderr)
    return 2 * bool(faults)


if __name__ == "__main__":
    obey(main)
