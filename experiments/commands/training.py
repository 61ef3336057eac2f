"""How many images a second are learned from, by agent and by batch.

Whole trainings of random pixels of MNIST's size, on one core: scenes, log and verdicts included,
beside the same matrix products and nothing else, and beside a plain RAM with a DataLoader.
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
    from ..benchmarks.training import measure

    measure(given.save, given.against)
    return 0


COMMAND = Command("bench training", "images a second of training, by agent and batch", Options, run)
