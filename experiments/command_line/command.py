"""What a command is: a name, one line of help, options, and what it does."""

import contextlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import tyro

from ..recipe import UsageError


class Command(NamedTuple):
    """A row of the command line.

    Its file imports nothing that needs torch but inside `run`, so that --help is quick.
    """

    name: str
    """As it is typed after `hardattn`: a word, or the two of a group."""
    help: str
    """One line."""
    Options: type
    """A frozen dataclass; its fields are the options, with their docstrings. See also `parse`."""
    run: Callable[[Any], int]
    """options -> exit code. Exceptions are for the command line to tell: see `cli.code_of`."""
    parse: Callable[[Sequence[str]], Any] | None = None
    """words -> what is given to `run`, where there are more options than `Options` can say."""
    usage: str = ""
    """Of such: the words, for --help."""


@dataclass(frozen=True)
class OnRuns:
    """What commands that work on finished runs have in common."""

    paths: tyro.conf.Positional[tuple[Path, ...]]
    """Run folders, or folders of runs."""
    device: str = "auto"
    """auto (the GPU where there is one), cpu, cuda, cuda:1, ..."""
    root: Path | None = None
    """Where datasets lie; else $HARDATTN_DATA, else ~/.cache/hardattn."""

    def __post_init__(self) -> None:
        some(self.paths, "PATH")


@dataclass(frozen=True)
class Measured:
    """What becomes of what a benchmark measures."""

    save: bool = False
    """Write it into this machine's file in experiments/results/studies/bench."""


@dataclass(frozen=True)
class Compared(Measured):
    """And what it is compared with."""

    against: Path | None = None
    """A checkout of another version, measured side by side."""


def some(given: Sequence[object], what: str) -> None:
    """Raise UsageError where a list of arguments is empty."""
    if not given:
        raise UsageError(f"at least one {what} is needed")


def read_options(kind: Any, words: Sequence[str], program: str, about: str, *config: Any) -> Any:
    """Words -> an instance of the dataclass. Raises UsageError, in one line; --help exits 0."""
    with _quietly():
        return tyro.cli(
            kind,
            args=list(words),
            prog=program,
            description=about,
            config=(tyro.conf.OmitArgPrefixes, *config),
        )


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """What tyro would print into a frame becomes a UsageError of one line."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            yield
    except SystemExit as leaving:
        if not leaving.code:
            raise
        lines = [line.strip("│ ") for line in said.getvalue().splitlines()[1:]]
        end = next((i for i, line in enumerate(lines) if line.startswith("─")), len(lines))
        raise UsageError(" ".join(lines[:end])) from leaving
