"""A table in Markdown, line by line."""

from collections.abc import Collection, Iterable, Sequence


def heading(names: Sequence[str], left: Collection[str]) -> list[str]:
    """The two lines above the rows. Columns of numbers stand right; left: names of the others."""
    return [row_of(names), row_of("---" if name in left else "---:" for name in names)]


def row_of(cells: Iterable[str]) -> str:
    """One row."""
    return f"| {' | '.join(cells)} |"


def opening(text: str, names: Sequence[str]) -> str:
    """A row in bold, over the rows of a part of the table."""
    return f"| **{text}** |{' |' * (len(names) - 1)}"
