"""What a column of a table is, and what most of them say: a figure of a pass, over seeds."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from hardattn.report.rows import Row, Table, figure
from hardattn.statistics.curves import last_quarter
from hardattn.statistics.intervals import Estimate

Cell = Estimate | float | str | None


class Column(NamedTuple):
    """A column of every rendering.

    Args:
        key: Its name, for tests and style sheets.
        head: What stands over it.
        help: What it is, for who points at it.
        found: What it says of a row, None where nothing is known.
        decimals: Of its numbers; None for those that errors have in the table.
        sign: Whether numbers are points more or less, with a sign.
        lacking: What stands where nothing is known.
        drop_at: When a narrow terminal does without it: 1 goes first, 0 stays.
        at_once: Whether it tells agents apart that see everything at once, for which one table is
            enough.
        note: What a reader must know of it, said below the table; once, if columns share it.
        heading: The head where that is the table's to say.
        where: Whether a table has it; by default wherever it says something of some row.
        words: How it is written, if not as number, estimate or text.
    """

    key: str
    head: str
    help: str
    found: Callable[[Row], Cell]
    decimals: int | None = None
    sign: bool = False
    lacking: str = "–"
    drop_at: int = 0
    at_once: bool = False
    note: str | Callable[[Table], str] = ""
    heading: Callable[[Table], str] | None = None
    where: Callable[[Table], bool] | None = None
    words: Callable[[Row], str] | None = None

    def text(self, row: Row, decimals: int) -> str:
        """What its cell says. decimals: those of errors."""
        found = self.found(row)
        if self.words is not None:
            return self.words(row)
        if found is None or isinstance(found, str):
            return self.lacking if found is None else found
        places = decimals if self.decimals is None else self.decimals
        if isinstance(found, Estimate):
            return estimate_text(found, places, self.sign)
        return f"{found:{'+' * self.sign},.{places}f}".replace("-", "−")

    def value(self, row: Row) -> float | str | None:
        """What it sorts by."""
        found = self.found(row)
        return found.point if isinstance(found, Estimate) else found

    def of(self, table: Table) -> "Column":
        """The column as it stands in a table, with the table's head."""
        return self if self.heading is None else self._replace(head=self.heading(table))

    def tells(self, table: Table) -> bool:
        """Whether a table has it."""
        if self.where is not None and not self.where(table):
            return False
        return any(self.text(row, table.decimals).strip("–") for row in table.rows)


def measured(name: str, times: float = 1.0, draw: str = "greedy") -> Callable[[Row], Cell]:
    """A figure of a pass. times: 100 makes percent of a share."""

    def found(row: Row) -> Cell:
        number = figure(row.group, draw, name)
        return None if number is None else times * number

    return found


def drawn(name: str, draw: str, times: float = 1.0) -> Callable[[Row], Cell]:
    """The same, of rows whose passes differ."""
    found = measured(name, times, draw)
    return lambda row: found(row) if draws(row) else None


def draws(row: Row) -> bool:
    """Whether it draws its looks or its maps, so that passes differ."""
    return (figure(row.group, "averaged", "passes") or 1) > 1


def somebody_looks(table: Table) -> bool:
    """Whether any row draws places to look at; otherwise passes and pixels are all alike."""
    return any(row.looks_around for row in table.rows)


def estimate_text(estimate: Estimate, decimals: int, sign: bool = False) -> str:
    """`12.3 [11.0, 13.4]`, or the number alone where there is no interval."""
    form = f"{'+' if sign else ''},.{decimals}f"
    point = f"{estimate.point:{form}}"
    if estimate.low is None or estimate.high is None:
        return point.replace("-", "−")
    return f"{point} [{estimate.low:{form}}, {estimate.high:{form}}]".replace("-", "−")


def quarter_text(curves: Iterable[Sequence[Sequence[float]]]) -> str:
    """`−2.0`: by how many points validation errors fell in the last quarter of a training."""
    told = last_quarter(curves)
    if told is None:
        return "–"
    return f"{round(100 * told.fell, 1) + 0.0:+.1f}".replace("-", "−")  # never "−0.0"
