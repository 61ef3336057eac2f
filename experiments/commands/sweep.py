"""Train several recipes over several seeds: `hardattn sweep RECIPE ... --seeds 3`.

Each run is a process of its own; options that are not listed here go to every run. Several values
with commas between them stand for a run with each (--lr 1e-3,3e-3), and for an option that names a
row of a table, such as --block or --estimator, `all` stands for every row. A value with a colon in
it (folder:a,b) is one. What is already done is not done again. Exits non-zero if any run failed,
and says which.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..command import Command, read_options, some
from ..recipe import UsageError


@dataclass(frozen=True)
class Options:
    """How many, and how many at a time."""

    seeds: int = 3
    """Run seeds 0 to N - 1."""
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    """Processes at a time; by default one a core."""


@dataclass(frozen=True)
class Sweep(Options):
    """All that is to be run."""

    recipes: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        some(self.recipes, "RECIPE")
        if self.seeds < 1 or self.workers < 1:
            raise UsageError("--seeds and --workers must be at least 1")


def options(words: Sequence[str]) -> Sweep:
    """Read the words: those before the first option, but for its own, are recipes."""
    # --lr=1 is two words, as what stands behind its sign may be a list.
    mine, others = _apart([part for word in words for part in _split(word)])
    own: Options = read_options(Options, mine, "hardattn sweep", "")
    count = next((at for at, word in enumerate(others) if word.startswith("-")), len(others))
    return Sweep(own.seeds, own.workers, tuple(others[:count]), tuple(others[count:]))


def _split(word: str) -> list[str]:
    return word.split("=", 1) if word.startswith("--") else [word]


def _apart(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Its own options with their values, and the others."""
    mine: list[str] = []
    others: list[str] = []
    for word, before in zip(words, ["", *words][: len(words)], strict=True):
        own = word in ("--seeds", "--workers") or before in ("--seeds", "--workers")
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
    """Train all."""
    from ..parallel import sweep

    changes = every(given.options)
    return sweep(
        [
            [recipe, "--seed", str(seed), *change]
            for seed in range(given.seeds)
            for recipe in given.recipes
            for change in changes
        ],
        given.workers,
    )


COMMAND = Command(
    "sweep",
    "train several recipes over several seeds",
    Options,
    run,
    options,
    "RECIPE ... [--field value[,value ...] ...] [OPTIONS]",
)
