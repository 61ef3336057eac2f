"""Compare every block and head of soft and stochastic attention in one network.

Trains all of them, and their controls, by one protocol, cheapest first, each as a run of the recipe
soft-long: first a search for the learning rate, the same for all, then one seed of all after the
other. The same command goes on where it was stopped; any number of processes may work in a folder.
`hardattn train soft-long --block se --lr 0.003 --seed 0` repeats one of them. On another machine
--add takes what is committed as done, so that only what it lacks is trained.

With --quick each is trained once for 200 updates, as the recipe soft: a smoke test, whose tables
have no verdicts.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from ..command_line.command import Command
from ..options.option import UsageError
from ..options.wording import at_least
from ..recipe import RunOptions


@dataclass(frozen=True)
class Options:
    """Where, and by how many processes."""

    out: Path = Path("runs/soft-all")
    """The folder of all its runs."""
    jobs: int = 1
    """Trainings at a time."""
    hours: float = math.inf
    """Begin nothing more when so many core-hours are spent, by all trainings in the folder."""
    quick: bool = False
    """A smoke test."""
    add: bool = False
    """Take what experiments/results/studies/soft.json has as done; train what it lacks."""
    collect: bool = False
    """Train nothing more: tell of what is finished."""
    save: bool = False
    """Write experiments/results/studies/soft.json, too."""
    quiet: bool = False
    """Print no tables at the end."""
    device: str = "cpu"
    """cpu, auto (the GPU where there is one), cuda, cuda:1, ..."""
    root: Path | None = None
    """Where datasets lie; else $HARDATTN_DATA, else ~/.cache/hardattn."""

    def __post_init__(self) -> None:
        at_least(self, 1, "jobs")
        if self.quick and self.save:
            raise UsageError("--save keeps what has verdicts, and --quick gives none: leave one")
        if self.quick and self.add:
            raise UsageError("what is committed is no smoke test: leave --quick or --add")


def run(given: Options) -> int:
    """Train what is lacking, and print the tables."""
    from hardattn.storage import replace_text

    from ..studies.soft import measure, results, resume, tables
    from ..studies.soft.plan import FULL, QUICK

    protocol = QUICK if given.quick else FULL
    measure.claim(given.out, protocol, given.root)
    if given.add:
        resume.lay(results.read(), given.out, protocol)
    if not given.collect:
        where = RunOptions(device=given.device, root=given.root)
        measure.run(given.out, protocol, given.jobs, given.hours, where)
    found = results.collected(given.out, protocol)
    if not given.quiet:
        print(tables.markdown(found), end="")
    if given.save:
        replace_text(results.SAVED, results.text_of(found))
        print(f"\n{results.SAVED.name}")
    return 0


COMMAND = Command("soft", "compare all blocks of soft attention in one network", Options, run)
