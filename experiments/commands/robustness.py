"""Change the problem under trained agents, and see what becomes of them; weights stay as they are.

Beside each result.json this leaves a file, characterisation.json; what stands there already is not
measured again.
"""

import sys
from dataclasses import dataclass

from ..command_line.command import Command, OnRuns
from ..options.option import UsageError, nearest
from ..recipe import RunOptions


@dataclass(frozen=True)
class Options(OnRuns):
    """What is changed."""

    what: str | None = None
    """NAME,...: some changes only; by default all."""
    train: bool = False
    """Also train each anew on shares of its training images, into the same folder of runs."""
    workers: int = 2
    """Trainings at a time."""
    save: bool = False
    """Write experiments/results/studies/characterisation.json as well."""


def run(given: Options) -> int:
    """Measure what is lacking, and print tables."""
    from hardattn.report.runs import read
    from hardattn.storage import replace_text

    from ..studies.robustness.changes import CHANGES
    from ..studies.robustness.measure import SAVED, characterise, learn_from_fewer
    from ..studies.robustness.tables import committed, tables

    what = given.what.split(",") if given.what else list(CHANGES)
    for name in what:
        if name not in CHANGES:
            raise UsageError(f"nothing to measure is called {name!r}: {nearest(name, CHANGES)}")
    here = RunOptions(device=given.device, root=given.root)
    faults = characterise(given.paths, what, here)
    code = 0
    if given.train:
        more, code = learn_from_fewer(given.paths, given.workers, here)
        faults += [line for line in more if line not in faults]
    groups = read(given.paths)
    print(tables(groups, [*what, *(["labels"] if given.train else [])]), end="")
    if given.save:
        replace_text(SAVED, committed(groups))
        print(f"\n{SAVED.name}")
    for line in faults:
        print(f"left out: {line}", file=sys.stderr)
    return code or 2 * bool(faults)


COMMAND = Command("robustness", "measure finished runs on changed scenes", Options, run)
