"""Recipes as words of a command line: `ram-digits --lr 1e-3 --seed 2`, read and written."""

import dataclasses
import hashlib
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import tyro

from hardattn.report.titles import titled

from .command import read_options
from .recipe import Learning, Problem, Recipe, Run, UsageError, nearest
from .recipes import RECIPES

OF_THIS_RUN = ("--out", "--root", "--again")  # says where and how, and nothing of the result
LONGEST_NAME = 200  # bytes; file systems allow a folder 255
TRAIN = "hardattn train"


class Origin(NamedTuple):
    """Where a recipe came from: one of RECIPES, by its name, and what was changed in it."""

    recipe: str
    overrides: dict[str, Any]


def parse(arguments: Sequence[str]) -> tuple[str, Recipe, Run]:
    """Name with overrides, recipe, run. Raises UsageError; --help exits 0."""
    arguments = list(arguments)
    if not arguments or arguments[0].startswith("-"):
        first = f"no recipe is called {arguments[0]!r}" if arguments else "which recipe"
        raise UsageError(f"{first}: {TRAIN} RECIPE ..., and hardattn list tells of all")
    name = arguments[0]
    if name not in RECIPES:
        raise UsageError(f"no recipe is called {name!r}: {nearest(name, RECIPES)}")
    base = RECIPES[name]

    # Every part of the recipe is offered flat, so that it is --lr and not --learning.lr.
    parts = {
        "run": (Run, Run()),
        "problem": (Problem, base.problem),
        "agent": (type(base.agent), base.agent),
        "learning": (type(base.learning), base.learning),
    }
    fields = [(key, kind, dataclasses.field(default=value)) for key, (kind, value) in parts.items()]
    flat = dataclasses.make_dataclass("Command", fields, frozen=True)
    _know([each.name for kind, _ in parts.values() for each in dataclasses.fields(kind)], arguments)
    given: Any = read_options(
        flat,
        _spelled_out(arguments[1:]),
        f"{TRAIN} {name}",
        f"{base.title}. {base.about} Expect: {base.expect}.",
        tyro.conf.FlagConversionOff,
    )
    said = {field_of(word) for word in arguments if word.startswith("--")}
    problem, learning = given.problem, given.learning
    if problem != base.problem:
        problem = problem.without_strays(base.problem, said)
    if isinstance(learning, Learning) and learning != base.learning:
        learning = learning.without_strays(base.learning, said)
    changed = dataclasses.replace(base, problem=problem, agent=given.agent, learning=learning)
    return (*named(name, changed), given.run)


def named(name: str, recipe: Recipe) -> tuple[str, Recipe]:
    """The name of its runs, and the recipe called by what differs in it from the one of a name."""
    base = RECIPES[name]
    changed = [f"{key}={value}" for key, value in overrides(name, recipe).items()]
    # What its rows are called must not say what is no longer so.
    told = [one.replace("/", "_") for one in changed]
    recipe = dataclasses.replace(recipe, title=titled(base.title, told))
    label = ",".join([name, *changed]).replace("/", "_")
    if len(label.encode()) > LONGEST_NAME:
        label = f"{name},{hashlib.sha256(label.encode()).hexdigest()[:16]}"
    return label, recipe


def overrides(name: str, recipe: Recipe) -> dict[str, Any]:
    """The settings in which a recipe differs from the one of RECIPES that has this name."""
    before, after = RECIPES[name].settings(), recipe.settings()
    return {key: value for key, value in after.items() if value != before[key]}


def as_words(origin: Origin) -> list[str]:
    """The arguments of `hardattn train` that mean this recipe."""
    words = [origin.recipe]
    for key, value in origin.overrides.items():
        several = value if isinstance(value, tuple | list) else [value]
        words += [f"--{key.replace('_', '-')}", *map(str, several)]
    return words


def origin_of(result: Mapping[str, Any], recipe: Recipe) -> Origin:
    """Which recipe a finished run is of, as its result tells. Raises UsageError.

    Results that do not tell have it in the name of the run, before the first comma.
    """
    name = result["origin"]["recipe"] if "origin" in result else result["name"].split(",")[0]
    if name not in RECIPES:
        raise UsageError(f"{result['name']}: not a run of a recipe that there is")
    return Origin(name, overrides(name, recipe))


def command_for(arguments: Sequence[str]) -> str:
    """The command as others may repeat it: without the folders of this machine."""
    kept, skip = [], False
    for word in _spelled_out(arguments):
        option, _, value = word.partition("=")
        if not skip and option not in OF_THIS_RUN:
            kept.append(word)
        skip = not skip and option in OF_THIS_RUN and not value
    return f"{TRAIN} {shlex.join(kept)}"


def field_of(word: str) -> str:
    """--validate-every=5 -> validate_every."""
    return word.removeprefix("--").split("=")[0].replace("-", "_")


def _spelled_out(arguments: Sequence[str]) -> list[str]:
    """A bare --again says True, as other options do."""
    words: list[str] = []
    for word, after in zip(arguments, [*arguments, ""][1:], strict=True):
        words += [word, "True"] if word == "--again" and after not in ("True", "False") else [word]
    return words


def _know(fields: list[str], arguments: list[str]) -> None:
    """Refuse a field that the recipe has not, naming the nearest that it has."""
    for word in arguments:
        field = field_of(word)
        if word.startswith("--") and field not in ("help", *fields):
            raise UsageError(f"the recipe has no field {field!r}: {nearest(field, fields)}")
