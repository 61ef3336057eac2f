"""What can be set of a function or class: read from its signature, and explained in its docstring.

So an option is written once, where it is taken. The rows that the parts of a recipe choose from
are tables of the core; `row` also takes "package.module:Name", which is nobody's row.
"""

import ast
import dataclasses
import difflib
import importlib
import inspect
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

from hardattn.report.format_1 import RENAMED

from ..kinds import Value
from . import signatures

PARTS = ("scene", "sensor", "agent", "estimator", "block", "head")
# What whoever builds a row gives it, so that nobody can choose it.
GIVEN = {
    "scene": ("split", "index", "generator", "classes", "names"),
    "sensor": (),
    "agent": (
        *("glimpse", "classes", "context", "looks", "places", "actions"),
        *("grid", "reach", "zoom", "block", "head"),
    ),
    "estimator": ("agent", "world", "scenes", "generator"),
    "block": ("channels",),
    "head": ("channels", "classes"),
}
# Numbers that mean something below 1, or nothing below 2, by name; others are counted from 1.
LEAST = {
    **dict.fromkeys(("distractors", "gap", "top", "pretraining", "test_seed", "seed", "warmup"), 0),
    **dict.fromkeys(("samples", "population"), 2),
    "width": 8,
}
NEVER_NEGATIVE = (
    *("price", "sparsity", "doubly", "weight_decay", "momentum"),
    *("growing", "led", "greedy", "distil", "std_from", "policy_coef"),
)
POSITIVE = (
    *("std", "std_end", "guide_std", "sigma", "stride", "cover", "reach", "lr", "rho", "floor"),
    *("max_grad_norm", "train_fraction"),
)
UNBOUNDED = ("max_grad_norm",)


class UsageError(Exception):
    """A name or value that cannot be meant: one line, with the nearest right one.

    No ValueError, which the command line's parser would take for its own and frame.
    """


class Option(NamedTuple):
    """One parameter that can be chosen."""

    name: str
    kind: Any
    """Its type."""
    default: Any
    """`inspect.Parameter.empty` where it must be given."""
    help: str
    listed: bool = False
    """Whether it is a field of a recipe that may choose from a table: see `_named`."""

    @property
    def needed(self) -> bool:
        """Whether it has no default."""
        return self.default is inspect.Parameter.empty

    @property
    def choices(self) -> tuple[Value, ...]:
        """All that can be chosen, where these are few words."""
        if self.listed and self.name in _named():
            return _named()[self.name]
        return tuple(each for kind in _several(self.kind) for each in _words(kind))


Row = TypeVar("Row")
Place = tuple[str, str]  # a module, and the name of something in it


def takes(place: Place, skip: Iterable[str] = ()) -> dict[str, Option]:
    """What can be set of a function or class, by name: all it takes but `skip`.

    A constructor that passes on what it does not know (**options) takes what its bases take.
    Raises UsageError for what is not written out where it is said to be.
    """
    helps: dict[str, str] = {}
    found: dict[str, Option] = {}
    for each in reversed(_written(signatures.bases, place)):
        helps |= _explained(signatures.docstring(each))
    for function in _written(signatures.constructors, place):
        asked, passes_on = signatures.parameters(function)
        for one in asked:
            if one.name not in (*found, *skip):
                told = helps.get(one.name, "")
                found[one.name] = Option(one.name, one.kind, one.default, told)
        if not passes_on:
            break
    return found


def _written(
    read: Callable[[signatures.Definition], list[signatures.Definition]], place: Place
) -> list[signatures.Definition]:
    module, name = place
    try:
        return read(signatures.find(module, name))
    except signatures.Unread as fault:
        raise UsageError(
            f"{module}:{name} takes nobody knows what ({fault}): give a function or class that is "
            "written out in a module"
        ) from fault


def _explained(text: str) -> dict[str, str]:
    """What a docstring says of each parameter, in its Args."""
    import docstring_parser

    parsed = docstring_parser.google.parse(text)
    return {one.arg_name: " ".join((one.description or "").split()) for one in parsed.params}


def fields(record: type, skip: Iterable[str] = ()) -> dict[str, Option]:
    """The fields of a dataclass but `skip`, each explained by the docstring below it."""
    import docstring_parser

    kinds = get_type_hints(record)
    told = {
        one.arg_name: " ".join((one.description or "").split())
        for each in reversed(record.__mro__)
        if dataclasses.is_dataclass(each)
        for one in docstring_parser.parse_from_object(each).params
    }
    return {
        each.name: Option(each.name, kinds[each.name], _default(each), told.get(each.name, ""))
        for each in dataclasses.fields(record)
        if each.init and each.name not in skip
    }


def _default(field: "dataclasses.Field[Any]") -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    empty = inspect.Parameter.empty
    return empty if field.default_factory is dataclasses.MISSING else field.default_factory()


@cache
def _named() -> Mapping[str, tuple[str, ...]]:
    """The words that options choose from whose tables no type tells, by the option's name."""
    tables = {
        "optimizer": ("hardattn.training.optimizers", "OPTIMIZERS"),
        "schedule": ("hardattn.training.optimizers", "SCHEDULES"),
        "keep": ("hardattn.training.loop", "KEEP"),
        "first": ("hardattn.world", "FIRST_LOOKS"),
        "context": ("hardattn.world", "CONTEXTS"),
    }
    return {name: signatures.words(*where) for name, where in tables.items()}


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


def plugs_in(option: Option, value: Value) -> bool:
    """Whether a value names something of one's own, package.module:Name, and may."""
    return str in _several(option.kind) and isinstance(value, str) and ":" in value


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


def given_to(part: str, name: str) -> list[str]:
    """What whoever builds a row gives it, of all that could be given."""
    taken = takes(place(part, name))
    return [each for each in GIVEN[part] if each in taken]


def _scripting() -> Iterator[Option]:
    """The script that looks instead of an agent, and its options: by default none."""
    taken = takes(("hardattn.agents", "Scripted"), ("observer", "looks", "sensor"))
    for each in taken.values():
        none = each._replace(kind=each.kind | None, default=None)
        yield none if each.needed else each


def choose(what: str, table: Mapping[str, Row], name: str) -> Row:
    """`table[name]`, or a UsageError with the nearest name."""
    if name in table:
        return table[name]
    raise UsageError(f"no {what} is called {name!r}: {nearest(name, table)}")


def nearest(name: str, names: Iterable[str]) -> str:
    """Say "perhaps X", or all there is to choose from."""
    names = list(names)
    near = difflib.get_close_matches(name, names, n=1)
    return f"perhaps {near[0]}" if near else f"choose from {', '.join(names)}"


def check(option: Option, value: Value) -> None:
    """Raise UsageError, one line, for a value that cannot be meant."""
    name = option.name
    if value is None:
        return
    if option.choices and value not in option.choices and not plugs_in(option, value):
        choose(name, dict.fromkeys(map(str, option.choices)), str(value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    if isinstance(value, int) and float not in _several(option.kind):
        least = LEAST.get(name, 0 if option.default == 0 else 1)
        if value < least:
            raise UsageError(f"{name} must be at least {least}, not {value}")
        if name.endswith("seed") and value >= 2**62:
            raise UsageError(f"{name} must be below 2**62, not {value}")
        return
    if name in POSITIVE and not value > 0:
        raise UsageError(f"{name} must be positive, not {value}")
    if name in NEVER_NEGATIVE and not value >= 0:
        raise UsageError(f"{name} must be at least 0, not {value}")
    if name not in UNBOUNDED and not abs(value) < float("inf"):
        raise UsageError(f"{name} must be a finite number, not {value}")


def read(option: Option, words: list[str]) -> Value:
    """The value that words of a command line, or of JSON, say. Raises UsageError."""
    if words == ["None"]:
        return None  # as by default
    for kind in _several(option.kind):
        try:
            return _read(kind, words)
        except (ValueError, SyntaxError, KeyError):
            continue
    raise UsageError(
        f"--{option.name.replace('_', '-')} takes {told(option)}, not {' '.join(words)!r}"
    )


def told(option: Option) -> str:
    """What it takes, in words."""
    names = {int: "a whole number", float: "a number", bool: "True or False", type(None): "None"}
    if option.choices:
        return "one of " + ", ".join(map(repr, option.choices))
    return " or ".join(names.get(kind, "words") for kind in _several(option.kind))


def metavar(option: Option) -> str:
    """What stands for its value in a help text."""
    names = {int: "INT", float: "FLOAT", bool: "True|False", str: "TEXT", Path: "PATH"}
    if option.choices:
        return "WORD"
    kinds = [each for each in _several(option.kind) if each is not type(None)]
    several = any(get_origin(each) is not None for each in kinds)
    first = next((names[each] for each in kinds if each in names), "VALUE")
    return f"{first} ..." if several else first


def plain(value: Value | list[Value]) -> Value:
    """The same as JSON may have it: several values as tuples."""
    return tuple(plain(each) for each in value) if isinstance(value, list | tuple) else value


def _read(kind: Any, words: list[str]) -> Value:
    origin = get_origin(kind)
    if origin is Literal:
        return next(each for each in (*get_args(kind), *words) if str(each) == words[0])
    if origin is not None or kind in (tuple, list):
        inner = get_args(kind) or (str,)
        flat = all(get_origin(each) is None for each in inner)
        if not flat or (len(words) == 1 and words[0][:1] in "(["):
            return plain(ast.literal_eval(" ".join(words)))
        several = inner[-1] is Ellipsis or len(inner) == 1
        if not several and len(inner) != len(words):
            raise ValueError(f"{len(inner)} values")
        kinds = [inner[0]] * len(words) if several else inner
        return tuple(_read(each, [word]) for each, word in zip(kinds, words, strict=True))
    if kind is bool and not words:
        return True  # the flag alone
    (word,) = words or [""]
    if kind is type(None):
        if word != "None":
            raise ValueError("None")
        return None
    if kind is bool:
        return {"True": True, "False": False, "true": True, "false": False}[word]
    if kind is int and not word.lstrip("+-").isdigit():
        number = float(word)  # 1e5 is a whole number, too
        if number != int(number):
            raise ValueError(word)
        return int(number)
    return kind(word)


def _several(kind: Any) -> tuple[Any, ...]:
    """The kinds of a union, None last; any other alone."""
    if get_origin(kind) not in (Union, types.UnionType):
        return (kind,)
    return tuple(sorted(get_args(kind), key=lambda each: (each is type(None), each is str)))


def _words(kind: Any) -> tuple[Value, ...]:
    return get_args(kind) if get_origin(kind) is Literal else ()


def renamed(name: str) -> str:
    """What an option was called before -> what it is called now; "" if it was called nothing."""
    return RENAMED.get(name, "")


def at_least(config: object, least: int, *names: str) -> None:
    """Raise UsageError if one of these fields is set to less."""
    for name in names:
        if not getattr(config, name) >= least:
            raise UsageError(f"{name} must be at least {least}, not {getattr(config, name)}")


def positive(config: object, *names: str) -> None:
    """Raise UsageError if one of these fields is zero, less, or NaN."""
    for name in names:
        if not getattr(config, name) > 0:
            raise UsageError(f"{name} must be positive, not {getattr(config, name)}")


def finite(config: object, *names: str) -> None:
    """Raise UsageError if one of these fields is infinity or NaN."""
    for name in names:
        if not abs(getattr(config, name)) < float("inf"):
            raise UsageError(f"{name} must be a finite number, not {getattr(config, name)}")
