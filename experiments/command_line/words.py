"""Recipes as words of a command line, written: `ram-digits --lr 1e-3 --seed 2`; see `parse`."""

import shlex
from collections.abc import Sequence
from typing import NamedTuple

from ..kinds import Json
from ..recipe import Recipe, UsageError
from ..recipes import RECIPES
from .parse import TRAIN, called, changes

OF_THIS_RUN = ("--out", "--root", "--again")  # says where and how, and nothing of the result


class Origin(NamedTuple):
    """Where a recipe came from: one of RECIPES, by its name, and what was changed in it."""

    recipe: str
    overrides: Json


def named(name: str, recipe: Recipe) -> tuple[str, Recipe]:
    """The name of its runs, and the recipe called by what differs in it from the one of a name."""
    return called(name, RECIPES[name], recipe)


def overrides(name: str, recipe: Recipe) -> Json:
    """The settings in which a recipe differs from the one of RECIPES that has this name."""
    return changes(RECIPES[name], recipe)


def as_words(origin: Origin) -> list[str]:
    """The arguments of `hardattn train` that mean this recipe."""
    words = [origin.recipe]
    for key, value in origin.overrides.items():
        several = value if isinstance(value, tuple | list) else [value]
        words += [f"--{key.replace('_', '-')}", *map(str, several)]
    return words


def origin_of(result: Json, recipe: Recipe) -> Origin:
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


def _spelled_out(arguments: Sequence[str]) -> list[str]:
    """A bare --again says True, as other options do."""
    words: list[str] = []
    for word, after in zip(arguments, [*arguments, ""][1:], strict=True):
        words += [word, "True"] if word == "--again" and after not in ("True", "False") else [word]
    return words
