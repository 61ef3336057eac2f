"""No file and no function is longer than one can read; what still is stands here."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("hardattn", "envs", "agents", "experiments", "tests")
FILE, FUNCTION = 400, 60  # lines, at most
# What is longer. Nothing may be added; whoever shortens one takes it out.
LONG_FILES: set[str] = set()
LONG_FUNCTIONS: set[str] = set()


def functions(text: str) -> dict[str, int]:
    """The lines of each function, docstring and all, by name; of those of one name the longest."""
    found: dict[str, int] = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            found[node.name] = max(lines, found.get(node.name, 0))
    return found


def lines_of(root: Path) -> tuple[dict[str, int], dict[str, int]]:
    """How many lines each file has, and each function."""
    files = sorted(path for room in ROOMS for path in (root / room).rglob("*.py"))
    texts = {str(path.relative_to(root)): path.read_text(encoding="utf-8") for path in files}
    inside = {
        f"{name}::{function}": lines
        for name, text in texts.items()
        for function, lines in functions(text).items()
    }
    return {name: len(text.splitlines()) for name, text in texts.items()}, inside


def faults(lines: dict[str, int], most: int, known: set[str]) -> list[str]:
    """What is too long and may not be, and what may be and is not."""
    long = {name for name, count in lines.items() if count > most}
    return [
        *(f"{name} has {lines[name]} lines, {most} at most: split it" for name in long - known),
        *(
            f"{name} is short enough: take it out of the list in {__name__}"
            for name in known - long
        ),
    ]


def test_no_file_and_no_function_is_too_long() -> None:
    files, inside = lines_of(ROOT)
    assert not [*faults(files, FILE, LONG_FILES), *faults(inside, FUNCTION, LONG_FUNCTIONS)]


@pytest.mark.parametrize("lines, fine", [(FUNCTION, True), (FUNCTION + 1, False)])
def test_a_long_one_is_noticed(tmp_path: Path, lines: int, fine: bool) -> None:
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs" / "new.py").write_text("def new():\n" + "    x = 1\n" * (lines - 1))
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_new.py").write_text("x = 1\n" * (lines + FILE - FUNCTION))
    files, inside = lines_of(tmp_path)
    assert (not faults(files, FILE, set())) == (not faults(inside, FUNCTION, set())) == fine
    assert len(faults(files, FILE, {"envs/new.py"})) == 2 - fine
