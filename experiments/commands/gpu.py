"""How fast training is on a GPU, in ten minutes at most.

Images a second of RAM on MNIST at batches of 512 to 65,536, of the plain RAM beside it, and how
long it takes until 1.3 % of the validation images are answered wrong, looked at once each.
"""

from dataclasses import dataclass
from pathlib import Path

from ..command_line.command import Command


@dataclass(frozen=True)
class Options:
    """Where, and what becomes of it."""

    device: str = "cuda"
    """cuda, cuda:1, ..."""
    root: Path | None = None
    """Where MNIST lies; else $HARDATTN_DATA, else ~/.cache/hardattn."""
    save: bool = False
    """Write it into this machine's file in experiments/results/studies/bench."""


def run(given: Options) -> int:
    """Measure, print, and save if asked."""
    from ..benchmarks.gpu import measure

    measure(given.device, given.root, given.save)
    return 0


COMMAND = Command("bench gpu", "images a second of training on a GPU", Options, run)
