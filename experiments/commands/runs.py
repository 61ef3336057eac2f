"""Every run below a folder, with its state: `hardattn runs [FOLDER]`.

finished: measured. running: a process holds the folder's lock. failed: it diverged, or a file could
not be written; the line says why. stopped: none of these; the same command goes on. The error is
that of the test scenes, in brackets the last one of the validation scenes.
"""

from dataclasses import dataclass
from pathlib import Path

import tyro

from ..command_line.command import Command


@dataclass(frozen=True)
class Options:
    """Which runs."""

    folder: tyro.conf.Positional[Path] = Path("runs")
    """A folder of runs."""


def run(given: Options) -> int:
    """Print a line a run."""
    from ..records.states import states, table

    print(table(given.folder, states(given.folder)))
    return 0


COMMAND = Command("runs", "show every run with its state", Options, run)
