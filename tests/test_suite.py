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
