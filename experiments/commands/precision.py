"""What training in half precision gains and costs.

Images a second of updates with products in bf16, beside float32, on one core; and how gradients
differ, of one batch and in the mean over many, at two states of ram-digits.
"""

from dataclasses import dataclass
from pathlib import Path

from ..command_line.command import Command


@dataclass(frozen=True)
class Options:
    """What becomes of it."""

    root: Path | None = None
    """Where datasets lie; else $HARDATTN_DATA, else ~/.cache/hardattn."""
    save: bool = False
    """Write it into this machine's file in experiments/results/studies/bench."""


def run(given: Options) -> int:
    """Measure, print, and save if asked."""
    from ..benchmarks.precision import measure

    measure(given.root, given.save)
    return 0


COMMAND = Command("bench precision", "training in half precision, beside float32", Options, run)
