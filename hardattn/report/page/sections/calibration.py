"""Whether an agent's confidence can be trusted.

From the columns of every training seed; what has none, as committed results, is left out.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from hardattn.evaluation.evaluate import Columns
from hardattn.evaluation.metrics import (
    reliability,
    risk_coverage,
)
from hardattn.report.page.charts import Chart, Style, axes, trace
from hardattn.report.page.context import Context
from hardattn.report.page.plain import greedy
from hardattn.report.page.sections.provenance import origin
from hardattn.report.rows import Table

STEPS = 100  # of a risk-coverage curve
BINS = 10
LEAST = 0.005  # of the answers: bins with fewer are left out, as they say nothing


def section(context: Context) -> str:
    """Confidence against accuracy, and error among the surest answers."""
    drawn = "".join(map(context.chart, charts(context.table, context.styles)))
    if not drawn:
        return ""
    made = origin(context.table.rows)
    return f'<figure><div class="charts">{drawn}</div><figcaption>{made}</figcaption></figure>'


def charts(table: Table, styles: dict[str, Style]) -> list[Chart]:
    """Reliability, and risk against coverage; none without columns."""
    rows = [(row, greedy(row)) for row in table.rows]
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
