"""What became of answers when others chose the looks: a sentence, and a table as HTML."""

from collections.abc import Sequence
from html import escape

from hardattn.report.columns import estimate_text
from hardattn.report.gain import SWAPS, added, gain, order, retrained
from hardattn.report.read import Group
from hardattn.stats import Estimate


def sentence(group: Group, decimals: int) -> str:
    """What the swaps say of an agent: whether where it looks matters, by how much."""
    found = gain(group)
    if found is None:
        return ""
    soft = added(group, "random") is None
    other = "the mean map" if soft else "random looks"
    size = f"{abs(found.point):.{decimals}f} points"
    if found.low is None or found.high is None:
        side = "more" if found.point >= 0 else "less"
        said = f"With {other} the same observer errs {size} {side} (one seed, so no interval)."
    elif found.low > 0:
        said = (
            f"Where it looks matters: with {other} the same observer errs {size} more "
            f"({found.low:.{decimals}f} to {found.high:.{decimals}f})."
        )
    else:
        interval = f"{found.low:+.{decimals}f} to {found.high:+.{decimals}f}".replace("-", "−")
        said = f"Its looking is no better than {other}: {size} of gain ({interval})."
    again = retrained(group)
    if again is None:
        return said
    side = "more" if again.point >= 0 else "less"
    return (
        f"{said} An observer trained for the best fixed order ({order(group)}) errs "
        f"{abs(again.point):.{decimals}f} points {side} than it."
    )


def swaps(rows: Sequence[tuple[str, Group]], decimals: int) -> str:
    """A table of titles and groups that were measured, as HTML; "" where none was."""
    measured = [(title, group) for title, group in rows if gain(group) is not None]
    heads = [name for name in SWAPS if any(added(group, name) is not None for _, group in measured)]
    fixed = any(retrained(group) is not None for _, group in measured)
    if not measured:
        return ""
    named = [SWAPS[name] for name in heads] + ["best fixed order, retrained"] * fixed
    lines = []
    for title, group in measured:
        found = [added(group, name) for name in heads] + [retrained(group)] * fixed
        cells = "".join(f"<td>{_text(one, decimals)}</td>" for one in found)
        lines.append(
            f'<tr data-title="{escape(title)}"><th scope="row">{escape(title)}</th>{cells}</tr>'
        )
    return (
        '<div class="scroll"><table class="plain"><thead><tr><th scope="col">agent</th>'
        + "".join(f'<th scope="col">{escape(name)}</th>' for name in named)
        + f"</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def _text(found: Estimate | None, decimals: int) -> str:
    return "–" if found is None else estimate_text(found, decimals, sign=True)
