"""How commands begin and end: cut short by their reader, or failing before they did anything."""

import ast
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hardattn.experiments import command
from tests.support.runs import write_run

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = sorted(
    path.stem
    for path in (ROOT / "experiments").glob("*.py")
    if 'if __name__ == "__main__":' in path.read_text()
)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_begins_and_ends_alike(name: str) -> None:
    tree = ast.parse((ROOT / "experiments" / f"{name}.py").read_text())
    last = tree.body[-1]
    assert isinstance(last, ast.If) and ast.unparse(last.body[-1]) == "obey(main)"


def closed(*words: str, also: bool = False) -> subprocess.CompletedProcess[bytes]:
    """Run a command whose output nobody reads; also: nor its complaints."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return subprocess.run(
            [sys.executable, "-m", *words],
            cwd=ROOT,
            stdout=writer,
            stderr=writer if also else subprocess.PIPE,
            restore_signals=False,  # as a shell would not have it, but as Python has
        )
    finally:
        os.close(writer)


@pytest.mark.parametrize(
    "words, code",
    [
        (["hardattn.experiments.commands.list"], 0),
        (["hardattn.experiments.commands.train", "--help"], 0),
        (["hardattn.experiments.commands.train"], 2),
        (["hardattn.experiments.commands.sweep", "--help"], 0),
        (["hardattn.experiments.commands.tables", "--check", "--readme", "nowhere"], 2),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_nobody_who_reads_on_is_no_fault(words: list[str], code: int) -> None:
    ended = closed(*words)
    assert ended.returncode == code
    said = ended.stderr.decode()
    assert not any(word in said for word in ("Traceback", "Broken", "Errno 32", "ignored"))
    assert closed(*words, also=True).returncode == code


def test_what_was_to_be_written_is_written_all_the_same(tmp_path: Path) -> None:
    write_run(tmp_path, "ram", 0)
    ended = closed("hardattn.experiments.commands.report", str(tmp_path))
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert (tmp_path / "report.html").exists()


def test_what_is_read_is_what_was_written() -> None:
    """In the encoding of the stream, and in its order."""
    code = (
        "import sys\n"
        "from experiments.command import obey\n"
        "print('before')\n"
        "obey(lambda: print('ä', file=sys.stderr) or print('ö' * 100_000) or 7)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
    )
    assert ended.returncode == 7 and ended.stderr.decode() == "ä\n"
    assert ended.stdout.decode() == "before\n" + "ö" * 100_000 + "\n"


def test_other_faults_of_writing_are_not_hidden() -> None:
    """A disk that is full is no reader that is gone."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with open("/dev/full", "wb") as full:
        raw = command._Pipe(full.fileno(), "wb", closefd=False)
        with pytest.raises(OSError, match="No space"):
            raw.write(b"x")
    assert isinstance(raw, io.FileIO)
