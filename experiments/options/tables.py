"""The rows that the parts of a recipe choose from, where they are written and what they take.

They are tables of the core; `row` also takes "package.module:Name", which is nobody's row.
"""

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from . import signatures
from .option import Option, Place, UsageError, choose, takes

PARTS = ("scene", "sensor", "agent", "estimator", "block", "head")

# What whoever builds a row gives it, so that nobody can choose it.
GIVEN = {
    "scene": ("split", "index", "generator", "classes", "names"),
    "sensor": ("frames",),
    "agent": (
        *("glimpse", "classes", "context", "looks", "places", "actions"),
        *("grid", "reach", "zoom", "extent", "frames", "cue"),
        *("block", "head", "layout", "window", "named"),
    ),
    "estimator": ("agent", "world", "scenes", "generator"),
    "block": ("channels",),
    "head": ("channels", "classes"),
}

TABLES: dict[str, Place] = {
    "scene": ("hardattn.problem", "SCENES"),
    "sensor": ("hardattn.sensors", "SENSORS"),
    "agent": ("hardattn.agents", "AGENTS"),
    "estimator": ("hardattn.estimators", "ESTIMATORS"),
    "block": ("hardattn.attention", "BLOCKS"),
    "head": ("hardattn.attention", "HEADS"),
}

# What stands in no table.
BESIDE: dict[str, dict[str, Place]] = {
    "block": {"none": ("hardattn.agents.soft", "no_block")},
    "head": {"mean": ("hardattn.agents.soft", "MeanPool")},
}


@cache
def rows(part: str) -> Mapping[str, Place]:
    """The rows that a part of a recipe can be: where each is written, by name."""
    return BESIDE.get(part, {}) | signatures.table(*TABLES[part])


def place(part: str, name: str) -> Place:
    """Where a row of that name is written; or what is called so, "package.module:Name".

    Raises UsageError.
    """
    if ":" not in name or part == "scene":
        return choose(part, rows(part), name)
    return own(name)


def own(name: str) -> Place:
    """What is called so in a module of somebody's own, "package.module:Name"."""
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # an installed command does not look there by itself
    module, _, attribute = name.partition(":")
    return module, attribute


def row(part: str, name: str) -> Callable[..., Any]:
    """The row of that name itself, imported. Raises UsageError."""
    return imported(part, name, place(part, name))


def imported(what: str, name: str, place: Place) -> Callable[..., Any]:
    """What stands in a place, which was given as --what name. Raises UsageError."""
    module, attribute = place
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as fault:
        raise UsageError(f"--{what} {name}: cannot be imported ({fault})") from fault
    if not callable(found):
        raise UsageError(f"--{what} {name}: a {type(found).__name__}, which nobody can call")
    return found


def options_of(part: str, name: str) -> Mapping[str, Option]:
    """What can be set of a row; of an agent that chooses its looks, also the script instead."""
    looks = part == "agent" and name not in signatures.words("hardattn.agents", "SEE_ALL")
    return _options_of(part, place(part, name), looks)


@cache
def _options_of(part: str, place: Place, looks: bool) -> Mapping[str, Option]:
    found = takes(place, GIVEN[part])
    if looks:
        found |= {each.name: each for each in _scripting() if each.name not in found}
    return found


def given_to(part: str, name: str) -> tuple[str, ...]:
    """What whoever builds a row gives it, of all that could be given."""
    return _given_to(part, place(part, name))


@cache
def _given_to(part: str, place: Place) -> tuple[str, ...]:
    taken = takes(place)
    return tuple(each for each in GIVEN[part] if each in taken)


def _scripting() -> Iterator[Option]:
    """The script that looks instead of an agent, and its options: by default none."""
    taken = takes(("hardattn.agents", "Scripted"), ("observer", "looks", "sensor", "shown"))
    for each in taken.values():
        none = each._replace(kind=each.kind | None, default=None)
        yield none if each.needed else each
