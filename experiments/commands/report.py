"""Compare finished runs: a report beside the runs, and its tables here.

report.html is the page; report.md and report.tex hold its tables, report.csv every figure of every
agent, report-seeds.csv those of every training seed.

PATHs are run folders, folders of runs (runs/demo), results files or folders of them
(experiments/results). Only runs on the same scenes are put into one table. A run that cannot be
drawn is left out, with a line that says so.
"""

from dataclasses import dataclass
from pathlib import Path

import tyro

from ..command_line.command import Command, some


@dataclass(frozen=True)
class Options:
    """What is compared, and with what."""

    paths: tyro.conf.Positional[tuple[Path, ...]]
    """Runs, or results."""
    out: Path | None = None
    """The folder to write into; by default the first that is a folder of runs."""
    against: str | None = None
    """Name of the run that others are compared with; by default the control of each."""

    def __post_init__(self) -> None:
        some(self.paths, "PATH")


def run(given: Options) -> int:
    """Write the page and its tables; print the tables."""
    from ..studies.comparison import compare

    compare(given.paths, given.out, given.against)
    return 0


COMMAND = Command("report", "compare finished runs: tables, and a page", Options, run)
