"""What is taken for what: the error of every class, and the confusion of every agent, as HTML.

From the columns of every training seed, of agents that answer with a class; what has none, as
committed results, is left out.
"""

from collections.abc import Sequence
from html import escape
from typing import Any

import torch
from torch import Tensor

from hardattn.evaluation.evaluate import Columns
from hardattn.report.asked import scene as kind_of
from hardattn.report.page.context import Context, shown
from hardattn.report.page.plain import greedy
from hardattn.report.page.sections.provenance import origin
from hardattn.report.rows import Row

MOST = 24  # classes that a matrix has room for
PAIRS = 12  # of more classes, the pairs that are taken for each other most often
WORST = 24  # classes in the table of errors
# Scenes whose answers are numbers of what each scene orders anew: none is taken for another.
MEANINGLESS = ("matching", "few_shot")
OTHERWISE = {"query": "place", "localise": "place", "search": "place"}  # answers that are no class
OPEN = 2  # agents whose matrix is seen without being asked for


def section(context: Context) -> str:
    """The error of each class by agent, and below it who takes which class for which."""
    rows = [(row, found) for row in context.table.rows if len(found := counted(row))]
    if not rows:
        return ""
    classes = list(map(str, rows[0][0].group.first.world["classes"]))
    kind = kind_of(rows[0][0].group.first.recipe)
    if kind in MEANINGLESS:
        return ""
    one = OTHERWISE.get(kind, "class")
    words = (
        f"The error of each {one}, in % of its test scenes, over all training seeds; the {one} "
        "that an agent finds hardest is bold. Below, a row is what is there, a column what was "
        "answered, and a cell the share of its row."
    )
    html = _errors(rows, classes)
    html += "".join(_matrix(row, found, classes, at < OPEN) for at, (row, found) in enumerate(rows))
    return shown(words, html, origin([row for row, _ in rows]))


def counted(row: Row) -> Tensor:
    """(K, K + 1) int64: how often each class was answered by each; the last column is no number.

    Of all seeds together; (0,) where nothing is known of it, or answers are no classes.
    """
    parts = [confusion(columns) for columns in greedy(row)]
    if not parts or any(not len(part) for part in parts):
        return torch.empty(0, dtype=torch.int64)
    return torch.stack(parts).sum(0)


def confusion(columns: Columns) -> Tensor:
    """The same of one pass; of answers that are sequences (0,)."""
    if columns.target.dim() != 1:
        return torch.empty(0, dtype=torch.int64)
    classes = columns.log_probability.shape[2]
    answer = torch.where(columns.answer < 0, classes, columns.answer)
    cell = columns.target * (classes + 1) + answer
    return torch.bincount(cell, minlength=classes * (classes + 1)).view(classes, classes + 1)


def _errors(rows: Sequence[tuple[Row, Tensor]], classes: Sequence[str]) -> str:
    """A table: agents by classes, those with the most error where there are many."""
    errors = torch.stack([_error(found) for _, found in rows])
    there = torch.stack([found.sum(1) for _, found in rows]).sum(0) > 0
    mean = errors.nanmean(0).masked_fill(~there, -1)
    order = torch.arange(len(classes))[there]
    left = len(order) - WORST
    if left > 0:
        order = mean.argsort(descending=True, stable=True)[:WORST]
    head = "".join(f'<th scope="col">{escape(_named(classes, k))}</th>' for k in order.tolist())
    body = ""
    for (row, _), error in zip(rows, errors[:, order], strict=True):
        worst = error.nan_to_num(-1).max()
        cells = "".join(
            f"<td>{'' if one.isnan() else _bold(100 * float(one), bool(one == worst > 0))}</td>"
            for one in error
        )
        body += f'<tr><th scope="row">{escape(row.title)}</th>{cells}</tr>'
    more = f'<p class="soft">The {WORST} hardest of {len(classes)} classes.</p>' if left > 0 else ""
    return (
        f'<div class="scroll"><table class="classes"><thead><tr><th scope="col">error, %</th>{head}'
        f"</tr></thead><tbody>{body}</tbody></table></div>{more}"
    )


def _matrix(row: Row, found: Tensor, classes: Sequence[str], seen: bool) -> str:
    inner = _cells(found, classes) if len(classes) <= MOST else _pairs(found, classes)
    wrong = int(found.sum() - found.diagonal().sum())
    return (
        f'<details class="confusion" data-title="{escape(row.title)}"{" open" * seen}><summary>'
        f'<b>{escape(row.title)}</b> <span class="soft">{wrong:,} of {int(found.sum()):,} answers '
        f'wrong</span></summary><div class="scroll">{inner}</div></details>'
    )


def _cells(found: Tensor, classes: Sequence[str]) -> str:
    """Every cell, tinted by its share of the row."""
    count = len(classes)
    names = [*(_named(classes, k) for k in range(count))]
    if found[:, count].any():
        names.append("no number")
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    share = found / found.sum(1, keepdim=True).clamp_min(1)
    body = ""
    for k in range(count):
        cells = "".join(
            _cell(int(found[k, j]), float(share[k, j]), k == j) for j in range(len(names))
        )
        body += f'<tr><th scope="row">{escape(names[k])}</th>{cells}</tr>'
    return (
        f'<table class="matrix"><thead><tr><th scope="col">is \\ says</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def _cell(count: int, share: float, right: bool) -> str:
    ink = "0, 158, 115" if right else "213, 94, 0"
    tint = f' style="background:rgba({ink},{0.75 * share**0.5:.3f})"' if count else ""
    return f'<td{tint} title="{count:,}">{f"{100 * share:.0f}" if count else ""}</td>'


def _pairs(found: Tensor, classes: Sequence[str]) -> str:
    """Of many classes, which are most often taken for which."""
    wrong = found[:, : len(classes)].clone()
    wrong.fill_diagonal_(0)
    top = wrong.flatten().topk(min(PAIRS, wrong.numel()))
    lines = []
    for count, at in zip(top.values.tolist(), top.indices.tolist(), strict=True):
        if count:
            truth, answer = divmod(at, len(classes))
            share = 100 * count / int(found[truth].sum())
            lines.append((_named(classes, truth), _named(classes, answer), count, share))
    body = "".join(
        f"<tr><td>{escape(truth)}</td><td>{escape(answer)}</td><td>{count:,}</td>"
        f"<td>{share:.0f} %</td></tr>"
        for truth, answer, count, share in lines
    )
    return (
        '<table class="pairs"><thead><tr><th scope="col">is</th><th scope="col">says</th>'
        '<th scope="col">how often</th><th scope="col">of its scenes</th></tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def _error(found: Tensor) -> Tensor:
    """(K,) the share of each class that was answered wrong; NaN of one that was never there."""
    total = found.sum(1)
    return torch.where(total > 0, 1 - found.diagonal() / total.clamp_min(1), torch.nan)


def _named(classes: Sequence[str], number: int) -> str:
    return classes[number] if number < len(classes) else str(number)


def _bold(value: float, worst: bool) -> Any:
    return f"<b>{value:.1f}</b>" if worst else f"{value:.1f}"
