"""Measure finished runs again: all that is measured today, of the weights that were kept.

result.json, columns.pt and examples.pt are written anew, as `hardattn train` would now write them;
the record of the training stays, and with what it was made stands there from then on. What cannot
be measured is named, and the exit code is 2.
"""

import sys
from dataclasses import dataclass

from ..command_line.command import Command, OnRuns
from ..recipe import RunOptions


@dataclass(frozen=True)
class Options(OnRuns):
    """What is measured, and where."""


def run(given: Options) -> int:
    """Measure all that can be."""
    from ..studies.remeasured import remeasure

    faults = remeasure(given.paths, RunOptions(device=given.device, root=given.root))
    for line in faults:
        print(f"error: {line}", file=sys.stderr)
    return 2 * bool(faults)


COMMAND = Command("evaluate", "measure finished runs again from their weights", Options, run)
