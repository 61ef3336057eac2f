"""Signatures, docstrings and tables, read from source: what is read is not imported.

So the command line knows what each row takes, and explains it, before anything that needs torch is
there; a program that imports a row finds the same in it.
"""

import ast
import builtins
import functools
import importlib
import inspect
import operator
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.abc import InspectLoader
from importlib.machinery import ModuleSpec
from typing import NamedTuple

# Bases that take nothing that could be chosen, and explain nothing.
ROOTS = ("object", "torch.nn.Module", "typing.Protocol", "typing.Generic", "abc.ABC")
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef


class Unread(Exception):
    """What stands in no source, or is made there in a way that only running it would tell."""


class Definition(NamedTuple):
    """A function or class, where it is written."""

    module: str
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Parameter(NamedTuple):
    """One parameter of a function."""

    name: str
    kind: object
    """Its type, of a union what is plain; text where none is written, or no plain one."""
    default: object
    """`inspect.Parameter.empty` where it must be given; None where only running it would tell."""


def table(module: str, name: str) -> dict[str, tuple[str, str]]:
    """A dict of rows: by its key, the module and the name of what a row is, or is made by first.

    Raises Unread.
    """
    where, value = _assigned(module, name)
    if not isinstance(value, ast.Dict):
        raise Unread(f"{module}.{name} is no dict that is written out")
    found = {}
    for key, row in zip(value.keys, value.values, strict=True):
        made = row.args[0] if isinstance(row, ast.Call) else row
        if not isinstance(key, ast.Constant):
            raise Unread(f"{module}.{name} has a key that is not written out")
        found[str(key.value)] = _named(where, made)
    return found


def words(module: str, name: str) -> tuple[str, ...]:
    """The keys of a dict, or the members of a tuple, that is written out. Raises Unread."""
    _, value = _assigned(module, name)
    members = value.keys if isinstance(value, ast.Dict) else getattr(value, "elts", [])
    return tuple(str(each.value) for each in members if isinstance(each, ast.Constant))


def find(module: str, name: str) -> Definition:
    """The function or class that a module has under that name, imported or its own.

    Raises Unread.
    """
    where, own = _home(module, name)
    node = _bound(where).get(own)
    if isinstance(node, FUNCTIONS | ast.ClassDef):
        return Definition(where, node)
    if isinstance(node, ast.Name | ast.Attribute):
        return find(*_named(where, node))
    raise Unread(f"{module} has no function or class {name} that is written out")


def bases(found: Definition) -> list[Definition]:
    """A class and its bases, in the order in which Python asks them; a function alone."""
    if not isinstance(found.node, ast.ClassDef):
        return [found]
    above = [bases(find(*each)) for each in _above(found)]
    lines = [*above, [each[0] for each in above]]
    order = [found]
    while lines := [line for line in lines if line]:
        heads = (line[0] for line in lines)
        first = next(one for one in heads if not any(one in line[1:] for line in lines))
        order.append(first)
        lines = [[one for one in line if one != first] for line in lines]
    return order


def constructors(found: Definition) -> list[Definition]:
    """The function, or the constructors of a class and its bases."""
    if not isinstance(found.node, ast.ClassDef):
        return [found]
    return [
        Definition(each.module, node)
        for each in bases(found)
        for node in getattr(each.node, "body", ())
        if isinstance(node, FUNCTIONS) and node.name == "__init__"
    ]


def parameters(function: Definition) -> tuple[list[Parameter], bool]:
    """What can be given by name, in order; and whether whatever else is taken, too (**options)."""
    assert not isinstance(function.node, ast.ClassDef)
    asked = function.node.args
    positional = [*asked.posonlyargs, *asked.args]
    missing: list[ast.expr | None] = [None] * (len(positional) - len(asked.defaults))
    defaults = [*missing, *asked.defaults]
    named = zip(
        [*positional[len(asked.posonlyargs) :], *asked.kwonlyargs],
        [*defaults[len(asked.posonlyargs) :], *asked.kw_defaults],
        strict=True,
    )
    found = [
        Parameter(each.arg, _kind(function.module, each), _default(function.module, default))
        for each, default in named
        if each.arg != "self"
    ]
    return found, asked.kwarg is not None


def docstring(found: Definition) -> str:
    """What it says of itself, without its indentation; "" if it says nothing."""
    return inspect.cleandoc(ast.get_docstring(found.node, clean=False) or "")


def _kind(module: str, argument: ast.arg) -> object:
    written = argument.annotation
    if written is None:
        return str
    try:
        if isinstance(written, ast.Constant) and isinstance(written.value, str):
            written = ast.parse(written.value, mode="eval").body
    except SyntaxError:
        return str
    kinds = [kind for each in _members(written) if (kind := _plain(module, each)) is not None]
    return functools.reduce(operator.or_, kinds) if kinds else str


def _members(kind: ast.expr) -> list[ast.expr]:
    """Those of a union, a | b | c; any other kind alone."""
    if isinstance(kind, ast.BinOp) and isinstance(kind.op, ast.BitOr):
        return [*_members(kind.left), *_members(kind.right)]
    return [kind]


def _plain(module: str, written: ast.expr) -> object:
    """The kind that is written, None of one that no words can say, as a module."""
    try:
        kind = _value(module, written)
    except Unread:
        return None
    return type(None) if kind is None else kind


def _default(module: str, default: ast.expr | None) -> object:
    if default is None:
        return inspect.Parameter.empty
    try:
        return _value(module, default)
    except Unread:
        return None


class _Names(Mapping[str, object]):
    """What the names of a module stand for, as far as that can be told without importing it."""

    def __init__(self, module: str):
        self.module = module

    def __getitem__(self, name: str) -> object:
        where, own = _home(self.module, name)
        if where.partition(".")[0] in sys.stdlib_module_names:
            held = importlib.import_module(where)
            return getattr(held, own) if own else held
        node = _bound(where).get(own)
        if isinstance(node, ast.expr):
            return _value(where, node)
        if node is None and where == self.module and hasattr(builtins, own):
            return getattr(builtins, own)
        raise Unread(f"{name} of {self.module}")

    def __iter__(self) -> Iterator[str]:
        return iter(_bound(self.module))

    def __len__(self) -> int:
        return len(_bound(self.module))


def _value(module: str, node: ast.expr) -> object:
    """What an expression of constants, and of names that stand for such, is. Raises Unread."""
    if isinstance(node, ast.Constant):
        return node.value
    code = compile(ast.Expression(node), module, "eval")
    try:
        return eval(code, {"__builtins__": {}}, _Names(module))
    except Unread:
        raise
    except Exception as fault:
        raise Unread(f"{ast.unparse(node)} of {module}") from fault


def _above(found: Definition) -> Iterator[tuple[str, str]]:
    """Module and name of each base that may take something."""
    assert isinstance(found.node, ast.ClassDef)
    for base in found.node.bases:
        while isinstance(base, ast.Subscript):  # Generic[T]
            base = base.value
        module, name = _named(found.module, base)
        if f"{module}.{name}".lstrip(".") not in ROOTS and not hasattr(builtins, name):
            yield module, name


def _named(module: str, node: ast.AST) -> tuple[str, str]:
    """The module and the name of what is written as `name` or `module.name`. Raises Unread."""
    if isinstance(node, ast.Name):
        return _home(module, node.id)
    if isinstance(node, ast.Attribute):
        where, own = _named(module, node.value)
        return _home(where if not own else f"{where}.{own}", node.attr)
    raise Unread(f"{ast.unparse(node)} of {module} is no name")


def _home(module: str, name: str) -> tuple[str, str]:
    """Where a name of a module comes from: follows imports to the module that has it.

    The name is "" where it is a module itself.
    """
    seen = set()
    while (module, name) not in seen and name:
        seen.add((module, name))
        if f"{module}.{name}" in ROOTS or module.partition(".")[0] in sys.stdlib_module_names:
            break
        # Its __init__ is long, and nothing that is looked for hides a module of it.
        of_torch = module.partition(".")[0] == "torch" and _spec(f"{module}.{name}") is not None
        node = None if of_torch else _bound(module).get(name)
        if isinstance(node, tuple):
            module, name = node
        elif node is None and _spec(f"{module}.{name}") is not None:
            module, name = f"{module}.{name}", ""
    return module, name


@cache
def _bound(module: str) -> Mapping[str, object]:
    """What each name at the top of a module is: a node, or (module, name) of what is imported."""
    found: dict[str, object] = {}
    for node in _tree(module).body:
        if isinstance(node, FUNCTIONS | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign):
            found |= {each.id: node.value for each in node.targets if isinstance(each, ast.Name)}
        elif isinstance(node, ast.AnnAssign):
            if isinstance(node.target, ast.Name) and node.value is not None:
                found[node.target.id] = node.value
        elif isinstance(node, ast.Import):
            for each in node.names:
                whole = each.name if each.asname else each.name.partition(".")[0]
                found[each.asname or whole] = (whole, "")
        elif isinstance(node, ast.ImportFrom):
            source = _source_of(module, node)
            for each in node.names:
                if each.name == "*":
                    inner = _bound(source)
                    found |= {one: (source, one) for one in inner if not one.startswith("_")}
                else:
                    found[each.asname or each.name] = (source, each.name)
    return found


def _source_of(module: str, node: ast.ImportFrom) -> str:
    """The whole name of the module that something is imported from."""
    if not node.level:
        return node.module or ""
    spec = _spec(module)
    inside = spec is not None and spec.submodule_search_locations is not None
    parts = module.split(".")
    parts = parts[: len(parts) - node.level + inside]
    return ".".join([*parts, *([node.module] if node.module else [])])


def _assigned(module: str, name: str) -> tuple[str, ast.expr]:
    """The module that assigns something to that name, and what."""
    where, own = _home(module, name)
    node = _bound(where).get(own)
    if not isinstance(node, ast.expr):
        raise Unread(f"{module} has no {name} that is written out")
    return where, node


@cache
def _tree(module: str) -> ast.Module:
    """The source of a module. Raises Unread."""
    spec = _spec(module)
    if spec is None or not isinstance(spec.loader, InspectLoader):
        raise Unread(f"{module} has no source")
    try:
        source = spec.loader.get_source(module)
    except (ImportError, SyntaxError, OSError) as fault:
        raise Unread(f"{module} cannot be read") from fault
    if source is None:
        raise Unread(f"{module} has no source")
    return ast.parse(source)


@cache
def _spec(module: str) -> ModuleSpec | None:
    """Where a module is found, without importing it or the packages that it is in."""
    package, _, _ = module.rpartition(".")
    path = None
    if package:
        above = _spec(package)
        path = above.submodule_search_locations if above is not None else None
        if path is None:
            return None
    for finder in sys.meta_path:
        found = finder.find_spec(module, path)
        if found is not None:
            return found
    return None
