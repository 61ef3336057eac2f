"""What papers claim of attention as a random variable, each put to a test on committed results."""

from dataclasses import dataclass
from pathlib import Path

from ..command_line.command import Command


@dataclass(frozen=True)
class Options:
    """Of which results."""

    results: Path | None = None
    """A folder of results; by default experiments/results."""


def run(given: Options) -> int:
    """Print the table."""
    from ..records.committed import results
    from ..studies.claims import markdown

    print(markdown(given.results or results()), end="")
    return 0


COMMAND = Command("results claims", "claims of papers, put to a test", Options, run)
