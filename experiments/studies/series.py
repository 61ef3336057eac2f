"""What figures for print are made of: members, their series over seeds, a caption."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from hardattn.report.notes import METHODS
from hardattn.report.render.markdown import seeds_text
from hardattn.report.render.print import Curves, Dots, Series
from hardattn.report.rows import percent_over_seeds
from hardattn.report.runs import Group
from hardattn.statistics.intervals import bootstrap_interval, within

MARKERS = "osD^vp"  # of matplotlib


class Member(NamedTuple):
    """A recipe of a figure: its runs, and how they are named and drawn."""

    group: Group
    label: str
    colour: str
    marker: str


def caption(
    reading: str, panels: Sequence[Curves | Dots], members: Sequence[Member], scenes: str
) -> str:
    """What it shows, how marks are to be read, of which runs it is, on which scenes."""
    return f"{reading} {_reading(panels)} {_runs(members)}; {scenes}."


def series(
    member: Member,
    x: tuple[float, ...],
    seeds: Sequence[Sequence[float]],
    share: bool,
    limits: tuple[float, float] = (0.0, math.inf),
) -> Series:
    """What a member's seeds gave at each x; share: in [0, 1], and drawn in percent.

    limits: between what a value can lie that is no share.
    """
    mean, columns = [], list(zip(*seeds, strict=True))
    for values in columns:
        found = percent_over_seeds(values) if share else bootstrap_interval(values)
        mean.append(found if share else within(*limits, found))
    scale = 100 if share else 1
    rows = tuple(tuple(scale * value for value in seed) for seed in seeds)
    return Series(member.label, member.colour, member.marker, x, tuple(mean), rows)


def _runs(members: Sequence[Member]) -> str:
    """`Runs: a, b (seeds 0, 1, 2), c (seed 0)`."""
    by_seeds: dict[tuple[int, ...], list[str]] = {}
    for member in members:
        by_seeds.setdefault(member.group.seeds, []).append(member.group.name)
    named = [f"{', '.join(names)} ({seeds_text(seeds)})" for seeds, names in by_seeds.items()]
    return f"Runs: {', '.join(named)}"


def _reading(panels: Sequence[Curves | Dots]) -> str:
    means = [mean for panel in panels for one in panel.series for mean in one.mean]
    names = {METHODS.get(mean.method, mean.method) for mean in means if mean.low is not None}
    if not names:
        return "One training seed each, so no intervals."
    return (
        "Marks and thick lines are means over training seeds, thin lines and rings the seeds; "
        f"bands and bars are 95 % intervals ({', '.join(sorted(names))}), cut off where no value "
        "can be, or the axis ends."
    )
