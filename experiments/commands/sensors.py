"""How many glimpses a second a retina takes.

By index, as ours does, beside grid_sample with area averaging and beside a loop over images; one
core.
"""

from dataclasses import dataclass

from ..command import Command


@dataclass(frozen=True)
class Options:
    """What becomes of it."""

    save: bool = False
    """Write it into this machine's file in experiments/results/studies/bench."""


def run(given: Options) -> int:
    """Measure, print, and save if asked."""
    from ..benchmarks.sensors import measure

    measure(given.save)
    return 0


COMMAND = Command("bench sensors", "glimpses a second", Options, run)
