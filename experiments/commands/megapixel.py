"""Where only hard attention can go: `hardattn megapixel`, or some of its cells by name.

Digits among noise on canvases of 1500, 4096 and 8192 pixels a side. Of every agent: what an image
costs, in training and in use, in seconds of one core, memory and pixels; then a training of 20
minutes of one core, where it fits in 4 GiB; and its error on a fixed part of the test scenes.
Everything that is finished is kept, and the same command goes on where it was stopped.
`hardattn megapixel attention-sampling-8192` does one cell. On another machine --add takes what is
committed as done, so that only what it lacks is found.
"""

from dataclasses import dataclass
from pathlib import Path

import tyro

from ..command_line.command import Command
from ..options.wording import at_least


@dataclass(frozen=True)
class Options:
    """Which cells, how long, and where."""

    cells: tyro.conf.Positional[tuple[str, ...]] = ()
    """Names of cells, such as ram-1500; all if none is given."""
    out: Path = Path("runs/megapixel")
    """The folder of all that is found."""
    minutes: float = 20.0
    """Of one core, that each training takes at most; 0: measure costs, and train nothing."""
    scenes: int = 1000
    """Of the test scenes, the first, that errors are measured on."""
    add: bool = False
    """Take what experiments/results/studies/megapixel.json has as done; find what it lacks."""
    collect: bool = False
    """Measure nothing more: tell of what is finished."""
    list: bool = False
    """Only list the cells."""
    save: bool = False
    """Write experiments/results/studies/megapixel.json, too."""
    root: Path | None = None
    """Where datasets lie; else $HARDATTN_DATA, else ~/.cache/hardattn."""

    def __post_init__(self) -> None:
        at_least(self, 0, "minutes")
        at_least(self, 1, "scenes")


def run(given: Options) -> int:
    """Measure and train what is lacking, and print the tables."""
    from hardattn.storage import replace_text

    from ..studies.megapixel import results, tables
    from ..studies.megapixel.cells import chosen
    from ..studies.megapixel.plan import go

    cells = chosen(given.cells)
    if given.list:
        print("\n".join(cell.name for cell in cells))
        return 0
    if given.add:
        results.lay(results.read(), given.out)
    if not given.collect:
        go(cells, given.out, given.minutes, given.scenes, given.root)
    found = results.collected(given.out)
    print(tables.markdown(found), end="")
    if given.save:
        replace_text(results.SAVED, results.text_of(found))
        print(f"\n{results.SAVED.name}")
    return 0


COMMAND = Command("megapixel", "digits among noise on 1500 to 8192 pixels a side", Options, run)
