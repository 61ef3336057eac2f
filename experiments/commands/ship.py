"""Put trained agents among those that come with hardattn, in a checkout, to be committed.

Weights are rounded to 16 bits, and the card says so. `hardattn look NAME PICTURE` finds them by the
names of their runs.
"""

from dataclasses import dataclass
from pathlib import Path

import tyro

from ..command_line.command import Command, some


@dataclass(frozen=True)
class Options:
    """Which runs."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of finished runs: runs/NAME/seed-N."""
    into: Path | None = None
    """By default experiments/shipped."""

    def __post_init__(self) -> None:
        some(self.runs, "RUN")


def run(given: Options) -> int:
    """Write them, and say how large they are."""
    from ..sharing.shipped import SHIPPED, ship

    for folder in ship(given.runs, given.into or SHIPPED):
        size = sum(path.stat().st_size for path in folder.iterdir())
        print(f"{size:>12,}  {folder}")
    return 0


COMMAND = Command("results ship", "put trained agents into the package", Options, run)
