"""Whether where an agent looked mattered, in one sentence: against the strongest of its controls.

Two things may be luck: which weights a training began with, and which images it was tested on. So
there are two intervals, and both have to leave out 0 before anything is said to matter.
"""

from statistics import NormalDist

from hardattn.report.controls import soft
from hardattn.report.rows import Row, Table, basis
from hardattn.report.runs import Group, ReportError
from hardattn.report.strongest import TOO_SHORT, Control, wrong
from hardattn.statistics.intervals import Estimate, paired_cluster_difference, within


def sentences(table: Table) -> list[str]:
    """Of each class of sight what is to be said of the best that learned where to look."""
    found = []
    for _, rows in table.sections:
        lookers = [row for row in rows if looks(row)]
        if lookers:
            found.append(sentence(lookers[0], table))
    return found


def looks(row: Row) -> bool:
    """Whether it learned where to look, a place at a time."""
    return row.looks_around and not row.script and soft(row.group.first) is None


def sentence(row: Row, table: Table) -> str:
    """What the strongest control supports; "" of who did not learn where to look."""
    if not looks(row):
        return ""
    if row.against is None or row.difference is None:
        return (
            f"Whether it mattered where {row.title} looked cannot be said: no observer like its "
            "own, trained for looks that nobody learned, is among these."
        )
    gap, decimals = row.difference, table.decimals
    other = control_title(row, table)
    images = over_images(row.group, row.against)
    seeds = basis(gap, len(row.group.runs))
    side = "less" if gap.point <= 0 else "more"
    size = f"{abs(gap.point):.{decimals}f} points"
    told = f"{size} {side} error than its strongest control, {other}"
    if gap.low is None or gap.high is None:
        return (
            f"Whether it mattered where {row.title} looked cannot be said yet: {told} ({seeds}; "
            f"{_of_images(images, decimals)})."
        )
    if gap.unit == "seed":
        sure = f"({_range(gap, decimals)} {seeds}; {_of_images(images, decimals)})"
    else:  # of one seed there is the interval over images alone
        sure = f"({_range(gap, decimals)}, {seeds})"
    if row.verdict == TOO_SHORT:
        return (
            f"Whether it mattered where {row.title} looked cannot be said: errors still fall where "
            f"its training ends, or its control's. {told[0].upper()}{told[1:]} {sure}."
        )
    ends = [end for one in (gap, images) for end in (one.low, one.high) if end is not None]
    if max(ends) < 0:
        return f"Where {row.title} looked mattered: {told} {sure}."
    if min(ends) > 0:
        return f"Where {row.title} looked did harm: {told} {sure}."
    return f"That it mattered where {row.title} looked is not shown: {told} {sure}."


def control_title(row: Row, table: Table) -> str:
    """What its control is called in a sentence."""
    return next(
        (one.title for one in table.rows if one.group.name == row.control),
        f"the same observer, trained for {row.control}",
    )


def over_images(group: Group, control: Control) -> Estimate:
    """Error minus that of a control, in points; the interval is over test images.

    Paired, where there are the answers of all seeds that both have, in the mean over these. From
    errors alone a bound: of a share p over m images the variance is at most p (1 - p) / m, however
    many scenes an image is in, and answers to one image go together in two agents if at all.
    """
    paired = _paired(group, control.group) if control.group is not None else None
    if paired is not None:
        return paired
    first = group.first
    images = max(1, round(first.greedy["n"] / (first.recipe.get("test_draws") or 1)))
    mine = sum(float(run.result.greedy["error"]) for run in group.runs) / len(group.runs)
    shares = (mine, control.error / 100)
    spread = sum(share * (1 - share) / images for share in shares) ** 0.5
    reach, point = 100 * NormalDist().inv_cdf(0.975) * spread, 100 * (shares[0] - shares[1])
    bound = Estimate(point, point - reach, point + reach, images, "bound", "image")
    return within(-100.0, 100.0, bound)


def _paired(group: Group, other: Group) -> Estimate | None:
    theirs = {run.seed: run for run in other.runs}
    pairs = [(run, theirs[run.seed]) for run in group.runs if run.seed in theirs]
    if not pairs or any(run.columns is None for pair in pairs for run in pair):
        return None
    mine, others = (sum(wrong(pair[side], -1) for pair in pairs) / len(pairs) for side in (0, 1))
    if len(mine) != len(others):
        raise ReportError(f"{pairs[0][0].source} and {pairs[0][1].source}: not the same scenes")
    index = pairs[0][0].columns["greedy"].index.numpy()  # type: ignore[index]
    return paired_cluster_difference(mine, others, index, resamples=4000)


def _of_images(found: Estimate, decimals: int) -> str:
    bound = ", at most" if found.method == "bound" else ""
    return f"{_range(found, decimals)} over {found.n:,} test images{bound}"


def _range(gap: Estimate, decimals: int) -> str:
    if gap.low is None or gap.high is None:
        return "no interval"
    return f"{gap.low:+.{decimals}f} to {gap.high:+.{decimals}f}".replace("-", "−")
