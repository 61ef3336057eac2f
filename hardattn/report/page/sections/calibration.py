"""Whether an agent's confidence can be trusted, and whether it answered because it looked there.

From the columns of every training seed; what has none, as committed results, is left out.
"""

from collections.abc import Callable, Sequence
from html import escape

import torch
from torch import Tensor

from hardattn.evaluation.evaluate import Columns
from hardattn.evaluation.failure_modes import states
from hardattn.evaluation.metrics import (
    Figure,
    looked_and_answered,
    references,
    reliability,
    risk_coverage,
)
from hardattn.report.page.charts import Chart, Style, axes, trace
from hardattn.report.rows import Row, Table

STEPS = 100  # of a risk-coverage curve
BINS = 10
LEAST = 0.005  # of the answers: bins with fewer are left out, as they say nothing
# What is said of maps: by the figure's name, with its head.
MAPS = {
    "pointing": "pointing",
    "box_accuracy_30": "MaxBoxAcc .3",
    "box_accuracy": ".5",
    "box_accuracy_70": ".7",
    "pxap": "PxAP",
    "energy": "energy in box",
    "mass_iou": "IoU at half the mass",
}


def charts(table: Table, styles: dict[str, Style]) -> list[Chart]:
    """Reliability, and risk against coverage; none without columns."""
    rows = [(row, _columns(row)) for row in table.rows]
    rows = [(row, found) for row, found in rows if found]
    if not rows:
        return []
    sure = axes("confidence, %", "right, %")
    sure.add_scatter(x=[0, 100], y=[0, 100], mode="lines", line={"color": "#8a8f96", "width": 1})
    risk = axes("answered, %", "error among them, %")
    for row, found in rows:
        x, y, share = _reliable(found)
        trace(
            sure,
            row,
            styles,
            x,
            y,
            "%{x:.0f} % sure: %{y:.1f} % right, %{customdata} of the answers",
            [f"{100 * one:.1f} %" for one in share],
        )
        x, y = _risk(found)
        trace(risk, row, styles, x, y, "%{x:.0f} % answered: %{y:.2f} % wrong", None)
    return [
        Chart(
            "reliability",
            "Is it as right as it is sure?",
            "Answers by confidence in tenths, all seeds: on the diagonal it is as right as it "
            "says, below it claims too much. Tenths of less than 0.5 % of answers are left out.",
            sure,
        ),
        Chart(
            "risk",
            "Error if only the surest are answered",
            "Answers in the order of confidence: a curve that falls to the left knows when it is "
            "wrong.",
            risk,
        ),
    ]


def looking(table: Table) -> list[tuple[Row, list[float | None]]]:
    """Looked at the target, by answered right: shares of each agent of which that can be said.

    Means over seeds; then how often it was right where it looked, and where it did not.
    """
    kept = []
    for row in table.rows:
        found = [looked_and_answered(columns) for columns in _columns(row)]
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
    return _plain(heads, [_line(row.title, cells) for row, cells in found])


def symptoms(table: Table) -> str:
    """Of how many images attention is dead, saturated, ..., as HTML; "" without columns."""
    heads, lines = ["agent"], []
    for row in table.rows:
        found = [states(columns) for columns in _columns(row)]
        if found and any(value is not None for value in found[0].values()):
            heads = ["agent", *(name.replace("_", " ") for name in found[0])]
            means = [_mean([one[name] for one in found]) for name in found[0]]
            lines.append(_line(row.title, means))
    return _plain(heads, lines)


def maps(table: Table) -> str:
    """How well maps find the target, beside maps that saw nothing, as HTML; "" without maps."""
    rows = [row for row in table.rows if row.pointing is not None]
    lines, first = [], None
    for row in rows:
        cells = [_mean([run.figure("greedy", name) for run in row.group.runs]) for name in MAPS]
        lines.append(_line(row.title, cells))
        first = first or next(iter(_columns(row)), None)
    if first is not None:
        for name, found in references(first).items():
            cells = [_number(found.get(figure)) for figure in MAPS]
            lines.append(_line(name, cells, "reference"))
    return _plain(("agent", *MAPS.values()), lines)


def _columns(row: Row) -> list[Columns]:
    """Of the greedy pass of every seed."""
    every = [run.columns for run in row.group.runs]
    return [one["greedy"] for one in every if one is not None]


def _reliable(found: Sequence[Columns]) -> tuple[list[float], list[float], list[float]]:
    """Confidence and accuracy in percent by bin, and its share of the answers; all seeds pooled."""
    bins = [reliability(columns, BINS) for columns in found]
    count = torch.stack([one.count for one in bins]).double()

    def pooled(part: Callable[[int], Tensor]) -> Tensor:
        values = torch.stack([part(at) for at in range(len(bins))]).nan_to_num(0)
        return 100 * (values * count).sum(0) / count.sum(0)

    sure, right = pooled(lambda at: bins[at].confidence), pooled(lambda at: bins[at].accuracy)
    share = count.sum(0) / count.sum()
    some = share >= LEAST
    return sure[some].tolist(), right[some].tolist(), share[some].tolist()


def _risk(found: Sequence[Columns]) -> tuple[list[float], list[float]]:
    """Coverage and risk in percent, the mean over seeds."""
    curves = [risk_coverage(columns) for columns in found]
    at = (torch.arange(1, STEPS + 1) * len(curves[0].risk) / STEPS).ceil().long() - 1
    mean = torch.stack([curve.risk[at] for curve in curves]).mean(0)
    return (100 * curves[0].coverage[at]).tolist(), (100 * mean).tolist()


def _line(title: str, cells: Sequence[float | None], kind: str = "") -> str:
    values = "".join(f"<td>{'–' if one is None else f'{100 * one:.1f}'}</td>" for one in cells)
    title = escape(title)
    return f'<tr class="{kind}" data-title="{title}"><th scope="row">{title}</th>{values}</tr>'


def _plain(heads: Sequence[str], lines: Sequence[str]) -> str:
    if not lines:
        return ""
    return (
        '<div class="scroll"><table class="plain"><thead><tr>'
        + "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
        + f"</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def _number(figure: Figure) -> float | None:
    return figure if isinstance(figure, float) else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None
