"""How much memory training takes, by the size of the canvas.

The most that a process of its own ever held, of RAM at batch 128, beside what it held before it
began, libraries and all.
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
    from ..benchmarks.memory import measure

    measure(given.save, given.against)
    return 0


COMMAND = Command("bench memory", "the most memory that training takes, by canvas", Options, run)
