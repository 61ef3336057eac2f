"""What became of answers when others chose the looks: a sentence, and a table as HTML."""

from collections.abc import Sequence
from html import escape

from hardattn.report.columns import estimate_text
from hardattn.report.policy_gain import (
    AGAINST,
    SWAPS,
    added,
    draws,
    gain,
    order,
    reference,
    retrained,
)
from hardattn.report.runs import Group
from hardattn.stats import Estimate

RETRAINED = "best fixed order, retrained"


def sentence(group: Group, decimals: int) -> str:
    """What the swaps say of an agent: whether where it looks matters, by how much."""
    found = gain(group)
    if found is None:
        return ""
    other = AGAINST[reference(group)]
    size = f"{abs(found.point):.{decimals}f} points"
    if found.low is None or found.high is None:
        side = "more" if found.point >= 0 else "less"
        said = f"With {other} the same observer errs {size} {side} (no interval)."
    elif found.low > 0:
        said = (
            f"Where it looks matters: with {other} the same observer errs {size} more "
            f"({found.low:.{decimals}f} to {found.high:.{decimals}f})."
        )
    else:
        word = "worse" if found.high < 0 else "no better"
        said = f"Its looking is {word} than {other}: {size} of gain ({_range(found, decimals)})."
    again = retrained(group)
    if again is None:
        return said
    side = "more" if again.point >= 0 else "less"
    sure = f" ({_range(again, decimals)})" if again.low is not None else ""
    return (
        f"{said} An observer trained for the best fixed order ({order(group)}) errs "
        f"{abs(again.point):.{decimals}f} points {side} than it{sure}."
    )


def swaps(rows: Sequence[tuple[str, Group]], decimals: int) -> str:
    """A table of titles and groups that were measured, as HTML; "" where none was."""
    found = {title: _found(group) for title, group in rows}
    heads = [
        head for head in (*SWAPS.values(), RETRAINED) if any(head in one for one in found.values())
    ]
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
    return (
        '<div class="scroll"><table class="plain"><thead><tr><th scope="col">agent</th>'
        + "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
        + f"</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
        f'<p class="soft">{escape(draws([group for _, group in rows]))}</p>'
    )


def _found(group: Group) -> dict[str, Estimate]:
    """What was measured, by the heads of the table."""
    measured = [(head, added(group, name)) for name, head in SWAPS.items()]
    measured.append((RETRAINED, retrained(group)))
    return {head: estimate for head, estimate in measured if estimate is not None}


def _range(found: Estimate, decimals: int) -> str:
    return f"{found.low:+.{decimals}f} to {found.high:+.{decimals}f}".replace("-", "−")


def _text(found: Estimate | None, decimals: int) -> str:
    return "–" if found is None else estimate_text(found, decimals, sign=True)
