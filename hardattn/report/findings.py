"""What a table says, in sentences: which row is best in its class, by how much, and how sure."""

from typing import NamedTuple

from hardattn.report import mattered
from hardattn.report.policy_gain import gain_of, sentence
from hardattn.report.rows import MANY, Row, Table, basis
from hardattn.report.runs import Group
from hardattn.report.strongest import TOO_SHORT, difference
from hardattn.statistics.intervals import Estimate

NAMED = 6  # who is not ahead is named up to so many


class Finding(NamedTuple):
    """What one class of a table comes to."""

    sees: str
    best: Row
    headline: str  # the claim as one short line, "" where there is no control to compare with
    figure: str  # its error
    range: str  # the interval, "" for none
    claim: str  # the best row and what the comparison with its control supports
    caution: str  # what a reader should not conclude, "" for nothing
    facts: tuple[tuple[str, str], ...]  # of the best: what it costs, and whether it looked there


def findings(table: Table) -> list[Finding]:
    """One for each class, in the order of the table."""
    return [_finding(sees, rows, table) for sees, rows in table.sections]


def interval_text(estimate: Estimate, decimals: int, seeds: int) -> str:
    """`11.0 to 13.4, over 3 training seeds`, or why there is none."""
    if estimate.low is None or estimate.high is None:
        return basis(estimate, seeds)
    low, high = f"{estimate.low:.{decimals}f}", f"{estimate.high:.{decimals}f}"
    return f"{low} to {high} %, {basis(estimate, seeds)}".replace("-", "−")


def _finding(sees: str, rows: tuple[Row, ...], table: Table) -> Finding:
    decimals = table.decimals
    learned = [row for row in rows if not row.script]
    best = learned[0] if learned else rows[0]
    claim, caution = [], []
    ahead = [row for row in rows if row.script and row.error.point <= best.error.point]
    if len(rows) == 1:
        claim.append(f"{best.title} is the only one in this class.")
    elif best.script:
        claim.append(f"{best.title} has the lowest error of the controls.")
    elif ahead:
        claim.append(
            f"No learned policy is ahead: {ahead[0].title} has an error of "
            f"{ahead[0].error.point:.{decimals}f} %, {best.title}, the best that learned, of "
            f"{best.error.point:.{decimals}f} %."
        )
    else:
        claim.append(f"{best.title} has the lowest error.")
    if best.difference is not None:
        claim.append(_against(best, _control(best, table), decimals))
        if best.verdict == TOO_SHORT:
            claim.append("Errors still fall where training ends: too short for a verdict.")
    rival = learned[1] if len(learned) > 1 else None
    if rival is not None and not ahead:
        caution.append(_lead(best.group, rival, decimals))
    behind = [row.title for row in learned if row.verdict in ("no", "worse") and row is not best]
    if len(learned) > MANY:
        caution.append(f"It is the best of {len(learned)}, and luck is part of being picked.")
    if len(behind) > NAMED:
        compared = [row for row in learned if row.verdict]
        caution.append(f"{len(behind)} of {len(compared)} are not ahead of their controls.")
    elif behind:
        caution.append(f"Not ahead of their controls: {'; '.join(behind)}.")
    if len(best.group.runs) == 1:
        caution.append("One training seed: another one may differ by more than this.")
    return Finding(
        sees,
        best,
        _headline(best, table),
        f"{best.error.point:.{decimals}f} %",
        interval_text(best.error, decimals, len(best.group.runs)),
        " ".join(claim),
        " ".join(caution),
        (
            ("Cost", _cost(best)),
            ("Looked at the target", _looked(best)),
            ("Against its strongest control", mattered.sentence(best, table)),
            ("Did that matter?", sentence(gain_of(best.group), decimals)),
        ),
    )


def _cost(row: Row) -> str:
    said = [
        f"{row.pixels:,.0f} pixels seen",
        f"{row.flops / 1e6:,.1f} MFLOP an image" if row.flops else "",
        f"{row.latency_ms.point:,.2g} ms an image" if row.latency_ms else "",
        f"{row.seconds.point:,.0f} s of training" if row.seconds else "",
        f"{row.group.first.parameters:,} weights",
    ]
    return ", ".join(filter(None, said))


def _looked(row: Row) -> str:
    said = [
        f"with {row.hit:.0f} % of the looks it chose" if row.hit is not None else "",
        f"its map points there in {row.pointing:.0f} % of the scenes"
        if row.pointing is not None
        else "",
    ]
    if any(said):
        return "; ".join(filter(None, said))
    if not row.group.first.boxed:
        return "cannot be said: nobody knows where the target is in these scenes"
    if row.looks_around:
        return ""
    return "cannot be said: it sees everything at once, and has no map"


def _headline(best: Row, table: Table) -> str:
    gap = best.difference
    if gap is None:
        return ""
    control, decimals = _control(best, table), table.decimals
    if gap.high is None or gap.low is None:
        side = "below" if gap.point < 0 else "above"
        return f"{best.title}: {abs(gap.point):.{decimals}f} points {side} {control}, unsure"
    if best.verdict == TOO_SHORT:
        return f"{best.title} and {control}: trained too short to say which is better"
    if gap.low > 0:
        return f"{best.title} does worse than {control}"
    if gap.high >= 0:
        return f"{best.title} cannot be told from {control}"
    once = ", one seed" if len(best.group.runs) == 1 else ""
    return f"{best.title}: {abs(gap.point):.{decimals}f} points less error than {control}{once}"


def _control(best: Row, table: Table) -> str:
    return next((row.title for row in table.rows if row.group.name == best.control), best.control)


def _against(best: Row, control: str, decimals: int) -> str:
    gap = best.difference
    assert gap is not None
    size = f"{abs(gap.point):.{decimals}f} points"
    if gap.low is None or gap.high is None:
        side = "below" if gap.point < 0 else "above"
        return f"That is {size} {side} {control}, with no interval."
    sure = f"(95 % interval {_range(gap, decimals)}, {basis(gap, len(best.group.runs))})"
    if gap.high < 0:
        return f"That is {size} below {control} {sure}."
    if gap.low > 0:
        return f"That is {size} above {control} {sure}: it looks worse than its control."
    return f"It cannot be told from {control}: the difference is {size} {sure}."


def _lead(best: Group, rival: Row, decimals: int) -> str:
    gap = difference(best, rival.group)
    if gap.high is None:
        return f"Next is {rival.title}; the lead has no interval."
    size = f"{abs(gap.point):.{decimals}f} points"
    if gap.high < 0:
        return (
            f"It leads {rival.title}, the next that learned, by {size} ({_range(gap, decimals)})."
        )
    return f"Its lead over {rival.title}, {size}, is not resolved ({_range(gap, decimals)})."


def _range(gap: Estimate, decimals: int) -> str:
    """The interval of a difference, signed where the sign is in doubt."""
    assert gap.low is not None and gap.high is not None
    if gap.high < 0 or gap.low > 0:
        low, high = sorted((abs(gap.low), abs(gap.high)))
        return f"{low:.{decimals}f} to {high:.{decimals}f}"
    return f"{gap.low:+.{decimals}f} to {gap.high:+.{decimals}f}".replace("-", "−")
