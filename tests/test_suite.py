"""The tests themselves: none is timed, and none is skipped without a word."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CLOCKS = {"process_time", "perf_counter", "monotonic", "thread_time", "getrusage", "timeit"}
PACED = {"test_interrupt.py", "test_loop.py"}  # they kill, or wind a clock, and assert no time


# Of what no source file or folder has the name.
OF_ALL = {"test_architecture.py", "test_packaging.py", "test_sizes.py", "test_suite.py"}


def clocks(text: str) -> set[str]:
    """The clocks that a program reads."""
    named = {
        node.attr if isinstance(node, ast.Attribute) else node.id
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Attribute | ast.Name)
    }
    return {name for name in named if name.removesuffix("_ns") in CLOCKS}


def test_no_test_is_timed() -> None:
    """A slower or busier machine is not a fault; `make bench` measures."""
    timed = {
        path.name: found
        for path in (ROOT / "tests").rglob("*.py")
        if path.name not in {*PACED, Path(__file__).name} and (found := clocks(path.read_text()))
    }
    assert not timed
    assert clocks("import time\nassert time.process_time() < 1") == {"process_time"}


def strangers(root: Path) -> list[str]:
    """Tests that are of no source: beside which there is none of their name, or of its beginning.

    tests/hardattn/data/test_splits_moments.py is of hardattn/data/splits.py.
    """
    found = []
    for path in sorted((root / "tests").rglob("test_*.py")):
        folder = root / path.parent.relative_to(root / "tests")
        names = {one.stem for one in folder.glob("*") if one.is_dir() or one.suffix == ".py"}
        of = path.stem.removeprefix("test_")
        if not any(of == name or of.startswith(f"{name}_") for name in {*names, folder.name}):
            found.append(str(path.relative_to(root)))
    return found


def test_tests_are_found_by_the_name_of_their_source(tmp_path: Path) -> None:
    lost = [one for one in strangers(ROOT) if Path(one).name not in OF_ALL]
    assert not lost, f"name {lost} by the source they are of: test_SOURCE.py, test_SOURCE_MORE.py"
    for name in ("hardattn/rng.py", "tests/hardattn/test_rng.py", "tests/hardattn/test_rng_on.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert strangers(tmp_path) == []
    (tmp_path / "tests" / "hardattn" / "test_other.py").touch()
    assert strangers(tmp_path) == ["tests/hardattn/test_other.py"]


def test_what_is_skipped_for_want_of_a_browser_is_said_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text(
        "from tests.support.browser import tell\n"
        "def test_page(tmp_path): tell('', '', tmp_path, 500)\n"
        "def test_other(): pass\n"
    )
    options = ["-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml"), "--rootdir", "."]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "test_one.py"],
        cwd=tmp_path,
        env={**os.environ, "PATH": "", "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == pytest.ExitCode.OK, done.stdout + done.stderr
    assert "1 passed, 1 skipped" in done.stdout
    assert "SKIPPED [1]" in done.stdout and "no browser to look at the page with" in done.stdout
