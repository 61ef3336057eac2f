"""What became of answers when others chose the looks: a table as HTML."""

from collections.abc import Sequence
from html import escape

from hardattn.report.column import estimate_text
from hardattn.report.page.context import Context, shown
from hardattn.report.page.plain import plain
from hardattn.report.page.sections.provenance import origin
from hardattn.report.policy_gain import RETRAINED, SWAPS, Gain, draws, gain_of
from hardattn.statistics.intervals import Estimate

HEADS = {**SWAPS, RETRAINED: "best fixed order, retrained"}


def section(context: Context) -> str:
    """What each swap costs each agent that was measured."""
    rows = context.table.rows
    gains = [(row, found) for row in rows if (found := gain_of(row.group)) is not None]
    words = (
        "Points of error more when, after training, the observer is kept and somebody else chooses "
        "its looks; of soft attention, its maps. Near 0 it did not matter where it looked, below 0 "
        "the others look better. In brackets 95 % intervals, over training seeds; of a single one "
        "over test scenes."
    )
    html = swaps([(row.title, found) for row, found in gains], context.table.decimals)
    return shown(words, html, origin([row for row, _ in gains]))


def swaps(gains: Sequence[tuple[str, Gain]], decimals: int) -> str:
    """A table of titles and what was measured, as HTML; "" where nothing was."""
    found = {title: _found(gain) for title, gain in gains}
    heads = [head for head in HEADS.values() if any(head in one for one in found.values())]
    heads = list(dict.fromkeys(heads))
    lines = [
        f'<tr data-title="{escape(title)}"><th scope="row">{escape(title)}</th>'
        + "".join(f"<td>{_text(one.get(head), decimals)}</td>" for head in heads)
        + "</tr>"
        for title, one in found.items()
        if one
    ]
    if not lines:
        return ""
    said = escape(draws([gain for _, gain in gains]))
    return plain(["agent", *heads], lines) + f'<p class="soft">{said}</p>'


def _found(gain: Gain) -> dict[str, Estimate]:
    """What was measured, by the heads of the table."""
    measured = [(head, gain.difference(name)) for name, head in HEADS.items()]
    return {head: estimate for head, estimate in measured if estimate is not None}


def _text(found: Estimate | None, decimals: int) -> str:
    return "–" if found is None else estimate_text(found, decimals, sign=True)
