"""Write down in the ledger which runs were made, also those that failed or stopped.

That is experiments/results/studies/ledger.json, to be committed; `hardattn results tables` makes
experiments/results/LEDGER.md of it, and of the committed results, which it need not be told.
"""

from dataclasses import dataclass
from pathlib import Path

import tyro

from ..command_line.command import Command, some


@dataclass(frozen=True)
class Options:
    """Which runs."""

    folders: tyro.conf.Positional[tuple[Path, ...]]
    """Those of runs (runs, runs/ram-mnist, runs/ram-mnist/seed-0)."""
    results: Path | None = None
    """The folder of results; by default experiments/results."""

    def __post_init__(self) -> None:
        some(self.folders, "FOLDER")


def run(given: Options) -> int:
    """Note them, and say how many."""
    from ..records.committed import results
    from ..records.ledger import DONE, note

    found = note(given.folders, given.results or results())
    open_ones = sum(one.state != DONE for one in found)
    print(f"{len(found)} runs noted, {open_ones} of them not finished")
    return 0


COMMAND = Command("results ledger", "note which runs were made", Options, run)
