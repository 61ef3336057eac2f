"""Plain tables of a page: a line an agent, shares in percent; and what they are made from."""

from collections.abc import Sequence
from html import escape

from hardattn.evaluation.evaluate import Columns
from hardattn.evaluation.metrics import Figure
from hardattn.report.rows import Row


def greedy(row: Row) -> list[Columns]:
    """Of the greedy pass of every seed."""
    every = [run.columns for run in row.group.runs]
    return [one["greedy"] for one in every if one is not None]


def line(title: str, cells: Sequence[float | None], kind: str = "") -> str:
    """A line of such a table: shares in percent, – where one is not known. kind: a class in CSS."""
    values = "".join(f"<td>{'–' if one is None else f'{100 * one:.1f}'}</td>" for one in cells)
    title = escape(title)
    return f'<tr class="{kind}" data-title="{title}"><th scope="row">{title}</th>{values}</tr>'


def plain(heads: Sequence[str], lines: Sequence[str]) -> str:
    """A table that cannot be sorted, as HTML; "" without lines."""
    if not lines:
        return ""
    return (
        '<div class="scroll"><table class="plain"><thead><tr>'
        + "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
        + f"</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def number(figure: Figure) -> float | None:
    """A figure if it is a single number."""
    return figure if isinstance(figure, float) else None


def mean(values: Sequence[float | None]) -> float | None:
    """The mean over seeds; None where one of them has no value."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None
