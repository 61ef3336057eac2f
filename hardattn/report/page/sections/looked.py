"""Whether it answered right because it looked there: looked at the target, by answered right."""

from collections.abc import Sequence

from hardattn.evaluation.metrics import looked_and_answered
from hardattn.report.page.context import Context, shown
from hardattn.report.page.plain import greedy, line, plain
from hardattn.report.page.sections.provenance import origin
from hardattn.report.rows import Row, Table


def section(context: Context) -> str:
    """Of every agent of which it can be said where it looked and where the target was."""
    found = looking(context.table)
    words = (
        "Percent of the test scenes. Looked: a look that the agent chose, or the largest value of "
        "its map, lies in the target's frame. Right answers where it missed are right for another "
        "reason."
    )
    return shown(words, looked(found), origin([row for row, _ in found]))


def looking(table: Table) -> list[tuple[Row, list[float | None]]]:
    """Looked at the target, by answered right: shares of each agent of which that can be said.

    Means over seeds; then how often it was right where it looked, and where it did not.
    """
    kept = []
    for row in table.rows:
        found = [looked_and_answered(columns) for columns in greedy(row)]
        known = [one for one in found if one is not None]
        if known and len(known) == len(found):
            every = [
                (one.looked_right, one.looked_wrong, one.missed_right, one.missed_wrong)
                for one in known
            ]
            shares = [sum(part) / len(every) for part in zip(*every, strict=True)]
            parts = ((shares[0], sum(shares[:2])), (shares[2], sum(shares[2:])))
            kept.append((row, [*shares, *(right / all if all else None for right, all in parts)]))
    return kept


def looked(found: Sequence[tuple[Row, list[float | None]]]) -> str:
    """A line an agent, as HTML."""
    heads = (
        *("agent", "looked, right", "looked, wrong", "missed, right", "missed, wrong"),
        *("right where it looked", "right where it did not"),
    )
    return plain(heads, [line(row.title, cells) for row, cells in found])
