"""How long it takes to begin.

CPU seconds of processes of their own: of `hardattn --help`, of a training of digits up to the end
of its first update, and of one of ten updates with all that comes after; beside `import torch`.
"""

from dataclasses import dataclass
from pathlib import Path

from ..command import Command


@dataclass(frozen=True)
class Options:
    """What becomes of it, and what it is compared with."""

    save: bool = False
    """Write it into this machine's file in experiments/results/studies/bench."""
    against: Path | None = None
    """A checkout of another version, measured side by side."""


def run(given: Options) -> int:
    """Measure, print, and save if asked."""
    from ..benchmarks.start import measure

    measure(given.save, given.against)
    return 0


COMMAND = Command("bench start", "CPU seconds before training begins", Options, run)
