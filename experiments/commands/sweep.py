"""Train several recipes over several seeds: `hardattn sweep RECIPE ... --seeds 3`.

Each run is a process of its own; options that are not listed here go to every run. Several values
with commas between them stand for a run with each (--lr 1e-3,3e-3), and for an option that names a
row of a table, such as --block or --estimator, `all` stands for every row. A value with a colon in
it (folder:a,b) is one. What is already done is not done again, and what was stopped goes on. Exits
non-zero if any run failed, and says which.

--on ray runs them on a Ray cluster. Who has a scheduler of his own gives each of its jobs a part,
--shard 0/8 to --shard 7/8, or has the commands printed, one a line, with --print.

--search N tries N settings of each recipe instead, drawn at random from the space that the recipe
names, with a quarter of its images and by validation alone, and says which did best. Optuna keeps
the trials in a journal, and the same command goes on with those that are not over.
"""

import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from ..command_line.command import Command, read_options, some
from ..command_line.parse import parse
from ..recipe import UsageError

if TYPE_CHECKING:
    from ..sweeps.parallel import Swept

Told = Callable[[Sequence["Swept"]], None]


@dataclass(frozen=True)
class Options:
    """How many, and how many at a time."""

    seeds: int = 3
    """Run seeds 0 to N - 1."""
    workers: int | None = None
    """Processes at a time; by default one a GPU, or where there is none one a core that may be
    used."""
    on: str = "here"
    """here; ray, the Ray cluster that this machine belongs to; or one at ray://HOST:PORT."""
    shard: str = "0/1"
    """Only part i of n, i/n with i from 0 to n - 1."""
    print: bool = False
    """Run nothing, and print the commands, one a line."""
    search: int = 0
    """Trials of each recipe, in place of seeds."""
    search_seed: int = 0
    """Of what they draw."""
    storage: Path | None = None
    """The journal of the trials; by default OUT/search/journal.log."""


@dataclass(frozen=True)
class Sweep(Options):
    """All that is to be run."""

    recipes: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        some(self.recipes, "RECIPE")
        if self.seeds < 1 or (self.workers is not None and self.workers < 1):
            raise UsageError("--seeds and --workers must be at least 1")
        if self.on not in ("here", "ray") and not re.fullmatch(r"ray://[^/:]+:\d+", self.on):
            raise UsageError(f"--on is here, ray or ray://HOST:PORT, not {self.on!r}")
        part_of(self.shard)
        if self.search < 0:
            raise UsageError("--search is a number of trials, at least 1")
        if self.search and (self.print or self.shard != "0/1"):
            raise UsageError(
                "--search goes with neither --print nor --shard: what is tried next "
                "stands in its journal, which several may share by --storage"
            )
        if self.storage is not None and not self.search:
            raise UsageError("--storage is for --search N")


def part_of(shard: str) -> slice:
    """Of a list of commands, those of a shard i/n. Raises UsageError."""
    found = re.fullmatch(r"(\d+)/(\d+)", shard)
    number, count = (int(word) for word in found.groups()) if found else (0, 0)
    if number >= count:
        raise UsageError(f"--shard is i/n with i from 0 to n - 1, not {shard!r}")
    return slice(number, None, count)


def options(words: Sequence[str]) -> Sweep:
    """Read the words: those before the first option, but for its own, are recipes."""
    # --lr=1 is two words, as what stands behind its sign may be a list.
    mine, others = _apart([part for word in words for part in _split(word)])
    own: Options = read_options(Options, mine, "hardattn sweep", "")
    count = next((at for at, word in enumerate(others) if word.startswith("-")), len(others))
    given = {each.name: getattr(own, each.name) for each in fields(Options)}
    return Sweep(**given, recipes=tuple(others[:count]), options=tuple(others[count:]))


def _split(word: str) -> list[str]:
    return word.split("=", 1) if word.startswith("--") else [word]


def _apart(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Its own options with their values, and the others."""
    mine: list[str] = []
    others: list[str] = []
    valued = [
        "--" + each.name.replace("_", "-") for each in fields(Options) if each.name != "print"
    ]
    for word, before in zip(words, ["", *words][: len(words)], strict=True):
        own = word in (*valued, "--print") or before in valued
        (mine if own else others).append(word)
    return mine, others


def every(options: Sequence[str]) -> list[list[str]]:
    """The options with each list, and each `all`, replaced by one of its values in turn."""
    options = [part for word in options for part in _split(word)]
    for at, word in enumerate(options):
        if at == 0 or word.startswith("--"):
            continue
        values = table(options[at - 1].lstrip("-")) if word == "all" else _listed(word)
        if values != [word]:
            before, after = options[:at], options[at + 1 :]
            return [one for value in values for one in every([*before, value, *after])]
    return [options]


def _listed(word: str) -> list[str]:
    if ":" in word or "," not in word:
        return [word]
    values = word.split(",")
    if not all(values):
        raise UsageError(f"{word!r} is a list of which a value is missing")
    return values


def table(field: str) -> list[str]:
    """The rows that a field of a recipe chooses from. Raises UsageError if it has no table."""
    from hardattn.agents import BACKBONES, NETS, SCRIPTS
    from hardattn.attention import BLOCKS, HEADS
    from hardattn.estimators import ESTIMATORS
    from hardattn.training.optimizers import OPTIMIZERS

    tables: dict[str, Iterable[str]] = {
        "block": BLOCKS,
        "head": HEADS,
        "backbone": BACKBONES,
        "estimator": ESTIMATORS,
        "optimizer": OPTIMIZERS,
        "net": NETS,
        "script": SCRIPTS,
    }
    if field not in tables:
        raise UsageError(f"'all' does not go with --{field}: only with {', '.join(tables)}")
    return list(tables[field])


def run(given: Sweep) -> int:
    """Train all, or print how."""
    changes = every(given.options)
    if given.search:
        return _search(given, changes)
    commands = [
        [recipe, "--seed", str(seed), *change]
        for seed in range(given.seeds)
        for recipe in given.recipes
        for change in changes
    ][part_of(given.shard)]
    if given.print:
        for words in commands:
            parse(words)
            print(shlex.join(["hardattn", "train", *words]))
        return 0
    return _train(given, commands, tell)


def _search(given: Sweep, changes: list[list[str]]) -> int:
    """Draw the trials of each recipe, train those that are not over, and say what is best."""
    from ..sweeps.search import Search, table

    searches = [
        Search([recipe, *change], given.search, given.storage, given.search_seed)
        for recipe in given.recipes
        for change in changes
    ]
    for search in searches:
        search.begin()

    def note(ended: Sequence["Swept"]) -> None:
        for search in searches:
            search.note(ended)

    commands = [words for search in searches for words in search.commands()]
    code = _train(given, commands, note) if commands else 0
    print("\n\n".join(table(search) for search in searches))
    # A trial that failed is a finding; one that is not over is not.
    over = all(one.over for search in searches for one in search.found())
    return 0 if over and all(search.best() for search in searches) else code or 1


def _train(given: Sweep, commands: list[list[str]], told: Told) -> int:
    from ..sweeps.parallel import sweep
    from ..sweeps.places import place_for

    with place_for(given.on, _device(commands), given.workers) as (place, workers):
        return sweep(commands, workers, place, told)


def _device(commands: list[list[str]]) -> str:
    """That of the trainings; "" of none. Raises UsageError."""
    return parse(commands[0])[2].device if commands else ""


def tell(ended: Sequence["Swept"]) -> None:
    """A table of what became of each, as `hardattn runs` shows it."""
    from ..records.states import table

    if ended:
        print(table(Path(ended[0].training.run.out), [each.state for each in ended]))


COMMAND = Command(
    "sweep",
    "train several recipes over several seeds",
    Options,
    run,
    options,
    "RECIPE ... [--field value[,value ...] ...] [OPTIONS]",
)
