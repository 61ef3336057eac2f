"""This version and that of another checkout, side by side: `--against PATH`.

Each has a process of its own, which runs `learner` on its own code and answers in turn, so that
what disturbs the machine disturbs both.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from ..kinds import Json
from ..recipe import UsageError
from . import learner
from .side_by_side import Way, rounds, row

ROOT = Path(__file__).resolve().parents[2]


class Answering:
    """A process that measures the version of a checkout."""

    def __init__(self, checkout: Path):
        self.checkout = checkout
        self.process = subprocess.Popen(
            [sys.executable, "-P", learner.__file__],
            cwd=checkout,
            env={**os.environ, "PYTHONPATH": str(checkout)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ask(self, asked: Json) -> float:
        """What `learner.Worker` answers. Raises UsageError, with the last line that it said."""
        assert self.process.stdin is not None and self.process.stdout is not None
        assert self.process.stderr is not None
        try:
            self.process.stdin.write(json.dumps(asked) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        answer = self.process.stdout.readline()
        if not answer:
            said = self.process.stderr.read().strip().splitlines() or ["nothing was said"]
            raise UsageError(f"{self.checkout}: cannot be measured ({said[-1]})")
        return float(json.loads(answer))

    def close(self) -> None:
        """Let it go."""
        self.process.communicate()


def check(checkout: Path | None) -> None:
    """Raise UsageError for a folder that is no checkout, before anything is measured."""
    if checkout is not None and not (checkout / "hardattn" / "__init__.py").is_file():
        raise UsageError(f"{checkout}: no checkout of hardattn: give the folder of one")


@contextmanager
def answering(checkout: Path) -> Iterator[Answering]:
    """A process that measures the version of a checkout, as long as it is needed."""
    check(checkout)
    one = Answering(checkout)
    try:
        yield one
    finally:
        one.close()


def against(other: Path | None, asked: Mapping[str, Json], unit: str, count: int) -> list[Json]:
    """Rows of both versions: of each thing that is asked first the other's, then ours.

    None where there is no other. asked: by name, what `learner.Worker` is to measure; `ratio` is
    how many times as fast as the other's ours is.
    """
    if other is None:
        return []
    name = version(other)
    with ExitStack() as both:
        there, here = (both.enter_context(answering(one)) for one in (other.resolve(), ROOT))
        ways: dict[str, Way] = {}
        for what, one in asked.items():
            ways[f"{what}, {name}"] = partial(there.ask, one)
            ways[f"{what}, this version"] = partial(here.ask, one)
        found = rounds(ways, count)
    rows = []
    for what in asked:
        before, now = f"{what}, {name}", f"{what}, this version"
        rows.append(row(before, unit, found[before]))
        rows.append(row(now, unit, found[now], beside=(f"that of {name}", found[before])))
    return rows


def version(checkout: Path) -> str:
    """The commit of a checkout; its folder's name where there is none."""
    words = ["git", "-C", str(checkout), "rev-parse", "--short=7", "HEAD"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return checkout.resolve().name
    return str(done.stdout.strip())
