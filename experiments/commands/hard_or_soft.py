"""Compare hard attention with soft: `hardattn hard-or-soft`, or some of its cells by name.

Every agent on every task, as wide, and tuned by the same number of trials of a random search on
validation images; then trained with fresh seeds, and its controls with it, unless it answers no
better than a guess. The cheapest comes first and a seed of all before the next. The same command
goes on where it was stopped. `hardattn hard-or-soft ram-cluttered-60` repeats one cell, from search
to seeds. On another machine --add takes what is committed as done, so that only what it lacks is
trained.

With --quick each has two trials and two seeds of 2,048 images: a smoke test, which says nothing of
how good anybody gets.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import tyro

from ..command_line.command import Command
from ..options.option import UsageError
from ..options.wording import at_least
from ..recipe import RunOptions


@dataclass(frozen=True)
class Options:
    """Which cells, where, and by how many processes."""

    cells: tyro.conf.Positional[tuple[str, ...]] = ()
    """Names of cells, such as ram-cluttered-60; all if none is given."""
    out: Path = Path("runs/hard-or-soft")
    """The folder of all its runs."""
    jobs: int | None = None
    """Trainings at a time; by default one a GPU, or a core."""
    hours: float = math.inf
    """Begin nothing more when so many core-hours are spent, by all trainings in the folder."""
    on: str = "here"
    """here; ray, the Ray cluster that this machine belongs to; or one at ray://HOST:PORT."""
    quick: bool = False
    """A smoke test."""
    add: bool = False
    """Take what experiments/results/studies/hard-or-soft.json has as done; train what it lacks."""
    collect: bool = False
    """Train nothing more: tell of what is finished."""
    list: bool = False
    """Only list the cells, in their order, and what each costs."""
    save: bool = False
    """Write experiments/results/studies/hard-or-soft.json, too."""
    quiet: bool = False
    """Print no tables at the end."""
    device: str = "cpu"
    """cpu, auto (the GPU where there is one), cuda, cuda:1, ..."""
    root: Path | None = None
    """Where datasets lie; else $HARDATTN_DATA, else ~/.cache/hardattn."""

    def __post_init__(self) -> None:
        if self.jobs is not None:
            at_least(self, 1, "jobs")
        if self.quick and self.save:
            raise UsageError("--save keeps what can be compared, and --quick gives none: leave one")
        if self.quick and self.add:
            raise UsageError("what is committed is no smoke test: leave --quick or --add")


def run(given: Options) -> int:
    """Search and train what is lacking, and print the tables."""
    from hardattn.storage import replace_text

    from ..studies.hard_or_soft import measure, results, resume, tables
    from ..studies.hard_or_soft.cells import chosen
    from ..studies.hard_or_soft.plan import FULL, PLAN, QUICK, kept

    protocol = QUICK if given.quick else FULL
    cells = chosen(kept(given.out / PLAN, protocol, given.root), given.cells)
    if given.list:
        print(tables.listing(cells))
        return 0
    where = RunOptions(device=given.device, root=given.root)
    how = measure.Given(given.out, protocol, given.jobs, given.hours, given.on, where)
    if given.add:
        resume.lay(results.read(), how)
    code = 0 if given.collect else measure.run(how, cells)
    found = results.collected(how)
    if not given.quiet:
        names = [cell.name for cell in cells]
        print(tables.markdown(found, names if given.cells else None), end="")
    if given.save:
        replace_text(results.SAVED, results.text_of(found))
        print(f"\n{results.SAVED.name}")
    return code


COMMAND = Command("hard-or-soft", "compare hard attention with soft, equally tuned", Options, run)
