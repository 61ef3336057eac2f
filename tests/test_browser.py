"""What a test run says of pages that no browser looked at."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.browser import NAMES

ROOT = Path(__file__).resolve().parent.parent
ASKING = """
from tests.support.browser import tell

def test_one(tmp_path):
    tell("<html><head></head><body></body></html>", "", tmp_path, 400)

def test_other(tmp_path):
    tell("<html><head></head><body></body></html>", "", tmp_path, 500)
"""


def test_a_run_ends_with_what_was_skipped_for_want_of_a_browser(tmp_path: Path) -> None:
    (tmp_path / "test_page.py").write_text(ASKING)
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "2"]
    words += ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT), str(tmp_path)]
    nowhere = {**os.environ, "PATH": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, env=nowhere)
    assert done.returncode == 0, done.stdout + done.stderr
    *_, before, last = done.stdout.strip().splitlines()
    assert last.startswith("2 skipped in")
    assert before.startswith("SKIPPED [2] tests/browser.py:")
    assert "no browser to look at the page with" in before and all(n in before for n in NAMES)
