"""Gather the results of all seeds of a run into experiments/results/NAME.json, to be committed.

What recipes say to expect is written anew beside them, experiments/recipes/expected.json.
"""

from dataclasses import dataclass
from pathlib import Path

import tyro

from ..command_line.command import Command, some


@dataclass(frozen=True)
class Options:
    """Which runs, and where to."""

    folders: tyro.conf.Positional[tuple[Path, ...]]
    """Those of a run's name (runs/ram-mnist), with a folder for each seed."""
    out: Path | None = None
    """By default experiments/results."""

    def __post_init__(self) -> None:
        some(self.folders, "FOLDER")


def run(given: Options) -> int:
    """Write them, and say which."""
    from ..records.committed import collect, results

    print("\n".join(map(str, collect(given.folders, given.out or results()))))
    return 0


COMMAND = Command("results collect", "collect runs into the committed results", Options, run)
