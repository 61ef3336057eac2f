"""What pages show of the project's own tables, so that nothing is written twice.

A page asks by a fence whose first word is the name of a row of FENCES below:

    ```{rows} hardattn.agents.AGENTS
    ram
    dt_ram
    ```

and is given, before Sphinx reads it, one section a row, from the row's own docstring. In place of
names may stand a file, such as relaxed.py, or family=channel: all rows that are written in it, or
are of it; or ..., all rows of the table that no other fence of the page asks for. A fence without a
word asks for the whole table.
"""

import ast
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^```\{(\w[\w-]*)\}[ ]*([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})")
CITED = re.compile(r"\b(?:19|20)\d\d\b|arXiv:")
CALL = ("agent", "world", "scenes", "generator")  # what every row of a kind is given


def found(path: str) -> Any:
    """The table that a dotted path names; of a module all that it holds."""
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        try:
            one: Any = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for name in parts[length:]:
            one = getattr(one, name)
        return vars(one) if isinstance(one, ModuleType) else one
    raise ValueError(f"nothing is called {path}")


def made(row: Any) -> Any:
    """What does a row's work: the row itself, or its field `make`."""
    one = getattr(row, "make", row)
    return getattr(one, "func", one)  # of a partial


def facts(row: Any) -> str:
    """What a row that is a record says of itself beside its name, as one line; or nothing."""
    if not hasattr(row, "_asdict"):
        return ""
    told = []
    for name, value in row._asdict().items():
        default = row._field_defaults.get(name)
        is_code = callable(value) and not isinstance(value, type)
        if name == "make" or is_code or value == default or value in ("", None):
            continue
        word = name.replace("_", " ")
        if isinstance(value, bool):
            told.append(word if value else f"no {word}")
        else:
            parts = value if isinstance(value, tuple) else (value,)
            told.append(f"{word}: {', '.join(getattr(one, '__name__', str(one)) for one in parts)}")
    where = getattr(made(row), "placement", "")
    return "; ".join([*told, f"placement: {where}"] if where else told)


def signature(one: Any) -> str:
    """What can be set of it: keyword options and their defaults, in plain words."""
    try:
        parameters = inspect.signature(one).parameters.values()
    except (TypeError, ValueError):
        return ""
    told = []
    for each in parameters:
        if each.kind in (each.VAR_KEYWORD, each.VAR_POSITIONAL) or each.name in CALL:
            continue
        empty = each.default is inspect.Parameter.empty
        default = getattr(each.default, "__name__", repr(each.default))
        told.append(each.name if empty else f"{each.name}={default}")
    return ", ".join(told)


def named(of: str, text: str) -> list[str]:
    """The rows that the words of a fence ask for, in its order and then in that of the table."""
    table, names = found(of), list[str]()
    for word in text.split() or table:
        field, is_field, value = word.partition("=")
        if is_field:
            meant = [name for name, row in table.items() if getattr(row, field) == value]
        elif word.endswith(".py"):
            file = f".{word.removesuffix('.py')}"
            meant = [name for name, row in table.items() if made(row).__module__.endswith(file)]
        else:
            meant = [word] if word in table else []
        if not meant:
            raise ValueError(f"{of} has no row {word!r}")
        names += meant
    return names


def whole(page: str) -> str:
    """The page with the rows that are left in the place of ... in its fences."""

    def written(match: re.Match[str]) -> str:
        kind, of, text = match.groups()
        if "..." not in text.split():
            return match.group(0)
        others = FENCE.findall(page.replace("\n...\n", "\n"))
        taken = {
            name
            for k, o, body in others
            if (k, o) == (kind, of) and body
            for name in named(of, body)
        }
        left = "\n".join(name for name in found(of.strip()) if name not in taken)
        return match.group(0).replace("\n...\n", f"\n{left}\n" if left else "\n")

    return FENCE.sub(written, page)


def rows(of: str, text: str) -> str:
    """A section for each row that is asked for: what it is, what can be set, its docstring."""
    table, parts = found(of), []
    for name in named(of, text):
        one = made(table[name])
        parts += ["", f"### `{name}`", "", f"{{py:obj}}`{one.__module__}.{one.__qualname__}`", ""]
        options = signature(one)
        parts += [f"Options: `{options}`", ""] if options else []
        parts += [f"*{facts(table[name])}*", ""] if facts(table[name]) else []
        parts += ["```{eval-rst}", *source(one), *docstring(one).splitlines(), "```", ""]
    return "\n".join(parts)


def source(one: Any) -> list[str]:
    """The paper, where a file is of one paper and says so at its top, and the row does not."""
    said = (inspect.getdoc(sys.modules[one.__module__]) or "").split("\n\n")[0].splitlines()
    if not CITED.search(" ".join(said)) or CITED.search(inspect.getdoc(one) or ""):
        return []
    plain(None, "", "", None, None, said)
    return [*said, ""]


def summary(of: str, text: str) -> str:
    """A table of the rows that are asked for: the name, and what its docstring says first."""
    table = found(of)
    lines = ["| | |", "| --- | --- |"]
    for name in named(of, text):
        told = (inspect.getdoc(made(table[name])) or "").split("\n\n")[0]
        told = " ".join(told.split()).replace("|", "\\|").replace("*", "\\*")
        lines.append(f"| `{name}` | {told} |")
    return "\n".join(lines)


def entries(of: str, text: str) -> str:
    """A table of records that say in words what they are `about`."""
    lines = ["| | |", "| --- | --- |"]
    lines += [f"| `{name}` | {one.about} |" for name, one in found(of).items()]
    return "\n".join(lines)


def modules(of: str, text: str) -> str:
    """The reference of a package and of every module in it, from their docstrings."""
    parts = ["```{eval-rst}"]
    for name in walk(of):
        parts += [name, "-" * len(name), "", f".. automodule:: {name}"]
        parts += ["   :members:", "   :show-inheritance:", ""]
    return "\n".join([*parts, "```"])


def walk(of: str) -> list[str]:
    """A package and its modules; of a package that holds packages as well, without these."""
    package = importlib.import_module(of)
    names = [of]
    if hasattr(package, "__path__"):
        inside = pkgutil.iter_modules(package.__path__, f"{of}.")
        names += [one.name for one in inside if not one.ispkg]
    return names


def imports(of: str, text: str) -> str:
    """Who may import whom, as the test holds it: the rooms by layer, each with what it imports."""
    may = {name: set(value.split()) for name, value in _assigned(ROOT / of).items()}
    height: dict[str, int] = {}

    def layer(name: str) -> int:
        if name not in height:
            below = [one for one in may[name] if one in may and one != name]
            height[name] = 1 + max(map(layer, below), default=-1)
        return height[name]

    lines = ["| layer | room | may import |", "| ---: | --- | --- |"]
    for name in sorted(may, key=lambda one: (layer(one), one)):
        below = " ".join(f"`{one}`" for one in sorted(may[name]))
        lines.append(f"| {layer(name)} | `{name}` | {below or '–'} |")
    return "\n".join(lines)


def _assigned(path: Path) -> dict[str, str]:
    """The dict MAY of a file, read without running it."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "MAY":
            return dict(ast.literal_eval(node.value))
    raise ValueError(f"{path} has no table MAY")


def docstring(one: Any) -> str:
    """A docstring as reStructuredText, its sections of options as lists."""
    from sphinx.ext.napoleon import Config, GoogleDocstring

    lines = (inspect.getdoc(one) or "").splitlines()
    plain(None, "", "", None, None, lines)
    config = Config(napoleon_use_param=False, napoleon_use_rtype=False)
    return str(GoogleDocstring("\n".join(lines), config, what="function"))


def plain(app: Any, what: str, name: str, one: Any, options: Any, lines: list[str]) -> None:
    """Docstrings are prose, where |x| is an absolute value and a_ a name; papers are linked."""
    lines[:] = [_escaped(line) for line in lines]


def fields(app: Any, what: str, name: str, one: Any, options: Any, lines: list[str]) -> None:
    """A field is told by the comment beside it; of a property the first words are no type."""
    if what == "property":
        lines[:] = [_escaped(line) for line in (inspect.getdoc(one) or "").splitlines()]
    elif lines and lines[0].startswith("Alias for field number"):
        record, _, field = name.rpartition(".")
        lines[:] = [_escaped(_comment(record, field)), ""]


def _comment(record: str, field: str) -> str:
    """What stands beside a field in the source of its class."""
    module, _, kind = record.rpartition(".")
    source = inspect.getsource(getattr(importlib.import_module(module), kind))
    beside = re.search(rf"^    {field}: [^#\n]*((?:  #[^\n]*)?)$", source, re.MULTILINE)
    parts = beside.group(1).split("#") if beside else []
    return "".join(part for part in parts if not part.strip().startswith("type:")).strip()


def _escaped(line: str) -> str:
    parts = re.split(r"(`+[^`]*`+)", line)
    for number in range(0, len(parts), 2):
        part = parts[number].replace("|", "\\|")
        part = re.sub(r"\*(?=\S)", r"\\*", part)
        part = re.sub(r"(?<=\w)_(?!\w)", r"\\_", part)
        parts[number] = ARXIV.sub(r"`arXiv:\1 <https://arxiv.org/abs/\1>`__", part)
    return "".join(parts)


FENCES: dict[str, Callable[[str, str], str]] = {
    "rows": rows,
    "summary": summary,
    "entries": entries,
    "modules": modules,
    "imports": imports,
}


def expand(app: Any, name: str, content: list[str]) -> None:
    """Write out what a page asks for."""

    def written(match: re.Match[str]) -> str:
        kind, of, text = match.groups()
        if kind not in FENCES:
            return match.group(0)
        above = re.findall(r"^(#+) ", content[0][: match.start()], re.MULTILINE)
        # Sections that are written out stand below the heading that the fence stands below.
        return FENCES[kind](of.strip(), text).replace("\n### ", f"\n{above[-1]}# ")

    content[0] = FENCE.sub(written, whole(content[0]))


def asked(text: str) -> dict[str, list[str]]:
    """The rows that a page asks for in its fences, by table."""
    shown: dict[str, list[str]] = {}
    for kind, of, body in FENCE.findall(whole(text)):
        if kind in ("rows", "summary"):
            shown.setdefault(of.strip(), []).extend(named(of.strip(), body))
    return shown
