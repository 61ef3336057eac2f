"""What an image costs by the size of the canvas that it lies on.

Training of RAM on canvases of 28x28 to 4096x4096, beside the CNN that sees every pixel; one core.
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
    from ..benchmarks.canvas import measure

    measure(given.save, given.against)
    return 0


COMMAND = Command("bench canvas", "images a second of training, by canvas", Options, run)
