"""What a run is made from, beside its recipe: source files and data, by their hashes.

A run writes them to sources.json when it begins and takes them into its result. Taken up again or
used again they are compared: changed code is said, changed data are refused.
"""

import functools
import hashlib
import importlib.util
import json
import sys
import types
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

from hardattn import storage

from ..kinds import Json
from ..recipe import UsageError
from .folder import clear, resumable

NAME = "sources.json"
# Of the core, what no weight depends on: it reads (a dataset has a hash of its own), writes or
# measures.
APART = (
    *("clustering", "data", "evaluation.metrics", "report", "storage"),
    *("training.checkpoint", "training.log", "training.tracking", "viz"),
)
DIGITS = 16  # of a hash
SCRIPT = "script "  # before the name of a file that is run and is no module


def files(*things: object) -> dict[str, str]:
    """Hashes of the source files, by module, that agents, worlds, functions, ... are made of.

    Those of their classes, of the parts of a network, and of what these modules use in turn: of
    hardattn and of the package that they are in, but not of installed libraries.
    """
    named = {_called(name) for thing in things for name in _modules(thing)}
    given = {name for name in named if not _of_a_library(name)}
    own = {name.partition(".")[0] for name in given if not _installed(name)}
    own = own - {"experiments"} | {"hardattn"}
    found, todo = dict[str, str](), set(given)
    while todo:
        name = todo.pop()
        hashed = _hash(_file(name))
        if name in found or hashed is None:
            continue
        found[name] = hashed
        for value in list(getattr(_loaded(name), "__dict__", {}).values()):
            known = value.__name__ if isinstance(value, types.ModuleType) else None
            other = known or getattr(value, "__module__", None)
            other = _called(other) if isinstance(other, str) else ""
            if other.partition(".")[0] in own and not _apart(other):
                todo.add(other)
    return dict(sorted(found.items()))


def changed(before: dict[str, str]) -> list[str]:
    """Which of these modules have another source file now, or none; no module is imported."""
    here = {name: hashed for name, hashed in before.items() if not _of_another_script(name)}
    return [name for name, hashed in here.items() if _hash(_file(name)) != hashed]


def begin(
    folder: Path, things: Iterable[object], data: str, commit: str | None, again: bool
) -> None:
    """Write down what a run is made from; if it goes on, compare with what it began with.

    again: what an earlier run left in the folder is removed. Raises UsageError where it would go on
    with other data, CheckpointError.
    """
    if again:
        clear(folder)
    now: Json = {"commit": commit, "data": data, "files": files(*things), "changed": []}
    path = folder / NAME
    if path.exists() and resumable(folder):
        before = json.loads(path.read_text())
        if before["data"] != data:
            raise UsageError(
                f"{folder}: the data differ from those that this run began with "
                f"({before['data'] or 'unknown'}, now {data or 'unknown'}): put those back, or "
                "begin anew with --again"
            )
        differ = [
            name
            for name in sorted({*before["files"], *now["files"]})
            if before["files"].get(name) != now["files"].get(name)
        ]
        now["changed"] = sorted({*before["changed"], *differ})
        if differ:
            print(
                f"{folder}: goes on under changed code, which its result will say: "
                f"{', '.join(differ)} {'differ' if differ[1:] else 'differs'} from commit "
                f"{before['commit'] or 'unknown'}; --again begins anew",
                file=sys.stderr,
            )
    storage.replace_text(path, json.dumps(now, indent=1) + "\n")


def noted(folder: Path) -> Json:
    """What a result says of them: "data", and "sources", with those that changed on the way."""
    path = folder / NAME
    if not path.exists():
        return {}
    found = json.loads(path.read_text())
    return {
        "data": found["data"],
        "sources": {"files": found["files"], "changed": found["changed"]},
    }


def since(result: Json) -> str:
    """What changed since a result was made, as a clause; "" where nothing did, or no one knows."""
    of = [each.get("sources") or {} for each in (result, result.get("training") or {})]
    differ = sorted({name for one in of for name in changed(one.get("files") or {})})
    if not differ:
        return ""
    return f"{', '.join(differ)} {'have' if differ[1:] else 'has'} changed since"


def used_again(folder: Path, result: Json) -> str:
    """One line: how old what is used again is, and how to have it anew."""
    made = result["made_with"]
    when = str(made.get("finished") or "an unknown day").replace("T", " ").replace("+00:00", " UTC")
    finished = f"finished {when} at commit {made.get('commit') or 'unknown'}, and is not run again"
    later = since(result)
    return f"{folder}: {finished}{later and f', though {later}'}; --again runs it anew"


def _modules(thing: object) -> Iterator[str]:
    if isinstance(thing, functools.partial):
        for part in (thing.func, *thing.args, *thing.keywords.values()):
            yield from _modules(part)
    elif isinstance(thing, type):
        yield from (kind.__module__ for kind in thing.__mro__)
    elif isinstance(thing, types.FunctionType):
        yield thing.__module__
    elif not isinstance(thing, str | int | float | tuple | list | dict | None):
        modules = getattr(thing, "modules", None)
        parts = modules() if callable(modules) else (thing,)
        for kind in {type(part) for part in parts}:
            yield from _modules(kind)


def _of_a_library(name: str) -> bool:
    first = name.partition(".")[0]
    return first == "torch" or first in sys.stdlib_module_names


def _called(name: str) -> str:
    """The name of a module for everybody: of the one that is run, not __main__."""
    if name != "__main__":
        return name
    main = sys.modules[name]
    spec = getattr(main, "__spec__", None)
    return spec.name if spec else SCRIPT + Path(getattr(main, "__file__", None) or "").name


def _of_another_script(name: str) -> bool:
    return name.startswith(SCRIPT) and name != _called("__main__")


def _loaded(name: str) -> ModuleType | None:
    """The module of that name, None of one that is not imported."""
    return sys.modules["__main__"] if name == _called("__main__") else sys.modules.get(name)


def _installed(name: str) -> bool:
    file = _file(name)
    return file is None or bool({"site-packages", "dist-packages"} & set(file.parts))


def _apart(name: str) -> bool:
    return any(f"{name}.".startswith(f"hardattn.{one}.") for one in APART)


def _file(name: str) -> Path | None:
    """The source file of a module, imported or not; None of one that there is not."""
    module = _loaded(name)
    if module is not None:
        found = getattr(module, "__file__", None)
    else:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, AttributeError, ValueError):
            return None
        found = None if spec is None else spec.origin
    return Path(found) if found and found.endswith(".py") else None


def _hash(file: Path | None) -> str | None:
    try:
        return None if file is None else hashlib.sha256(file.read_bytes()).hexdigest()[:DIGITS]
    except OSError:
        return None
