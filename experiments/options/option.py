"""An option: one parameter of a function or class, read from its signature and docstring.

So an option is written once, where it is taken.
"""

import dataclasses
import difflib
import inspect
import types
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

from hardattn.report.format_1 import RENAMED

from ..kinds import Value
from . import signatures

Place = tuple[str, str]  # a module, and the name of something in it

Row = TypeVar("Row")


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
        return tuple(each for kind in kinds_of(self.kind) for each in words_of(kind))


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


def fields_of(record: type, skip: Iterable[str] = ()) -> dict[str, Option]:
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


def _default(field: "dataclasses.Field[object]") -> object:
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


def kinds_of(kind: object) -> tuple[object, ...]:
    """The kinds of a union, None last; any other alone."""
    if get_origin(kind) not in (Union, types.UnionType):
        return (kind,)
    return tuple(sorted(get_args(kind), key=lambda each: (each is type(None), each is str)))


def words_of(kind: object) -> tuple[Value, ...]:
    """The words of a Literal; none of any other kind."""
    return get_args(kind) if get_origin(kind) is Literal else ()


def renamed(name: str) -> str:
    """What an option was called before -> what it is called now; "" if it was called nothing."""
    return RENAMED.get(name, "")


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
