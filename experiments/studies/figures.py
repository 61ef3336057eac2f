"""Draw the figures of the report for print, from the committed JSON and from nothing else.

Each is written as PDF, as SVG and as PNG of 300 dots an inch, seven inches wide, with its caption.
The same figures stand in the page of experiments.compare when their runs are among its runs.
"""

import argparse
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..command import obey

if TYPE_CHECKING:
    from hardattn.report.render.print import Curves, Dots, Figure, Series
    from hardattn.report.runs import Group

RESULTS = Path(__file__).parents[1] / "results"
MARKERS = "osD^vp"  # of matplotlib


class Member(NamedTuple):
    """A recipe of a figure: its runs, and how they are named and drawn."""

    group: "Group"
    label: str
    colour: str
    marker: str


class Comparison(NamedTuple):
    """A figure to be: which recipes it is of, what it shows of them, how it is to be read."""

    key: str
    title: str
    labels: dict[str, str]  # by recipe, in order: what it is called in the figure
    spare: frozenset[str]  # recipes without which it is drawn as well
    panels: Callable[[Sequence[Member]], "tuple[Curves | Dots, ...]"]
    reading: str

    @property
    def needs(self) -> frozenset[str]:
        return frozenset(self.labels) - self.spare


def figures(groups: Sequence["Group"], command: str) -> "list[Figure]":
    """Those whose runs are all there, on each set of scenes, and of runs that were characterised.

    command: what makes them.
    """
    from hardattn.report.render.print import Figure

    from .robustness import tables as characterised

    drawn = []
    for scenes in sorted({group.scenes for group in groups}):
        here = {group.name: group for group in groups if group.scenes == scenes}
        for one in COMPARISONS:
            if one.needs <= here.keys():
                members = _members(one, here)
                panels = one.panels(members)
                said = caption(one.reading, panels, members, scenes)
                drawn.append(Figure(one.key, scenes, one.title, panels, said, command))
    return [*drawn, *characterised.figures(groups, command)]


def caption(
    reading: str, panels: "Sequence[Curves | Dots]", members: Sequence[Member], scenes: str
) -> str:
    """What it shows, how marks are to be read, of which runs it is, on which scenes."""
    return f"{reading} {_reading(panels)} {_runs(members)}; {scenes}."


def _members(one: Comparison, here: Mapping[str, "Group"]) -> list[Member]:
    """In order; what learns where to look in colour, its control in grey."""
    from hardattn.report.controls import script
    from hardattn.report.page.theme import GREYS, PALETTE

    members: list[Member] = []
    for number, (name, label) in enumerate(one.labels.items()):
        if name in here:
            colour = GREYS[0] if script(here[name].first) else PALETTE[number]
            members.append(Member(here[name], label, colour, MARKERS[number % len(MARKERS)]))
    return members


def _switch(members: Sequence[Member]) -> "tuple[Curves | Dots, ...]":
    return _learning(members), _final(members, "error")


def _objectives(members: Sequence[Member]) -> "tuple[Curves | Dots, ...]":
    return _final(members, "error"), _final(members, "nll")


def _twins(members: Sequence[Member]) -> "tuple[Curves | Dots, ...]":
    from hardattn.report.render.print import Curves

    looks = Curves(
        "looks taken", "test error, % (log scale)", tuple(map(_by_look, members)), start=1
    )
    return looks, _learning(members)


def _learning(members: Sequence[Member]) -> "Curves":
    from hardattn.report.render.print import Curves

    drawn = tuple(map(_by_images, members))
    return Curves("training images seen, thousands", "validation error, % (log scale)", drawn)


def _final(members: Sequence[Member], figure: str) -> "Dots":
    from hardattn.report.render.print import Dots

    drawn = []
    for member in members:
        values = [run.result.greedy.get(figure) for run in member.group.runs]
        # A net that diverged has no finite likelihood, and so no mark.
        known = [[value] for value in values if value is not None]
        whole = len(known) == len(values)
        seeds = known if whole else []
        drawn.append(series(member, (0.0,) * whole, seeds, figure != "nll"))
    if figure == "nll":
        return Dots("test negative log-likelihood, nats (log scale)", tuple(drawn), 3)
    return Dots("test error, % (log scale)", tuple(drawn), 1)


def _by_look(member: Member) -> "Series":
    """Test error had it stopped after each look."""
    curves = [run.result.greedy["error_after"] for run in member.group.runs]
    looks = tuple(float(look + 1) for look in range(min(map(len, curves))))
    return series(member, looks, [curve[: len(looks)] for curve in curves], True)


def _by_images(member: Member) -> "Series":
    """Validation error, wherever in training all seeds were validated."""
    curves = [dict(map(tuple, run.result.training.get("curve") or [])) for run in member.group.runs]
    shared = sorted(set.intersection(*map(set, curves)))
    at = tuple(images / 1000 for images in shared)
    return series(member, at, [[curve[images] for images in shared] for curve in curves], True)


def series(
    member: Member,
    x: tuple[float, ...],
    seeds: Sequence[Sequence[float]],
    share: bool,
    limits: tuple[float, float] = (0.0, math.inf),
) -> "Series":
    """What a member's seeds gave at each x; share: in [0, 1], and drawn in percent.

    limits: between what a value can lie that is no share.
    """
    from hardattn.report.render.print import Series
    from hardattn.report.rows import percent_over_seeds
    from hardattn.stats import bootstrap_interval, within

    mean, columns = [], list(zip(*seeds, strict=True))
    for values in columns:
        found = percent_over_seeds(values) if share else bootstrap_interval(values)
        mean.append(found if share else within(*limits, found))
    scale = 100 if share else 1
    rows = tuple(tuple(scale * value for value in seed) for seed in seeds)
    return Series(member.label, member.colour, member.marker, x, tuple(mean), rows)


def _runs(members: Sequence[Member]) -> str:
    """`Runs: a, b (seeds 0, 1, 2), c (seed 0)`."""
    from hardattn.report.render.markdown import seeds_text

    by_seeds: dict[tuple[int, ...], list[str]] = {}
    for member in members:
        by_seeds.setdefault(member.group.seeds, []).append(member.group.name)
    named = [f"{', '.join(names)} ({seeds_text(seeds)})" for seeds, names in by_seeds.items()]
    return f"Runs: {', '.join(named)}"


def _reading(panels: "Sequence[Curves | Dots]") -> str:
    from hardattn.report.notes import METHODS

    means = [mean for panel in panels for one in panel.series for mean in one.mean]
    names = {METHODS.get(mean.method, mean.method) for mean in means if mean.low is not None}
    if not names:
        return "One training seed each, so no intervals."
    return (
        "Marks and thick lines are means over training seeds, thin lines and rings the seeds; "
        f"bands and bars are 95 % intervals ({', '.join(sorted(names))}), cut off where no value "
        "can be, or the axis ends."
    )


COMPARISONS = (
    Comparison(
        "soft-and-hard",
        "Soft and hard attention: one network, one switch",
        {
            "sat-soft-digits": "soft",
            "sat-hard-digits": "hard",
            "random-sat-digits": "random looks",
        },
        frozenset({"random-sat-digits"}),
        _switch,
        "Show, attend and tell (Xu et al. 2015) reads the mean of its cells' features under its "
        "weights (soft), or the features of one cell drawn from them (hard).",
    ),
    Comparison(
        "objectives",
        "One alignment, five objectives",
        {
            "variational-soft-digits": "soft",
            "variational-marginal-digits": "marginal likelihood",
            "variational-exact-digits": "hard, enumerated",
            "variational-hard-digits": "hard, sampled",
            "variational-enumerated-digits": "variational, enumerated",
            "variational-sampled-digits": "variational, sampled",
            "random-variational-digits": "random looks",
        },
        frozenset({"variational-exact-digits", "random-variational-digits"}),
        _objectives,
        "One step of attention over cells (Deng et al. 2018), in one network: soft attention mixes "
        "the features of all cells, the others learn to read one. Enumerated: by the exact "
        "gradient; sampled: by an estimate of it.",
    ),
    Comparison(
        "s3ta-and-ram",
        "A soft and a hard way to look step by step: S3TA and RAM",
        {"s3ta-digits": "S3TA (sees everything)", "ram-digits": "RAM (never sees the image)"},
        frozenset(),
        _twins,
        "S3TA (Zoran et al. 2020) attends to features of the whole image and was asked after the "
        "last look only, RAM (Mnih et al. 2014) reads a small patch and was asked after each: what "
        "they may see differs, so neither is ranked above the other.",
    ),
)


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns 0; 1 where a figure lacks its runs; 2 for broken results; 5."""
    parser = argparse.ArgumentParser(prog="hardattn results figures", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where to")
    parser.add_argument(
        "--results", type=Path, default=RESULTS, help="default: experiments/results"
    )
    given = parser.parse_args(arguments)

    from hardattn.report.render.print import printed
    from hardattn.report.runs import ReportError, read

    try:
        groups = read([given.results])
        drawn = figures(groups, "hardattn results figures --out FOLDER")
        given.out.mkdir(parents=True, exist_ok=True)
        for figure in drawn:
            for ending, content in printed(figure).items():
                path = given.out / f"{figure.key}.{ending}"
                path.write_bytes(content)
                print(path)
    except ReportError as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 2
    except OSError as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 5
    there = {group.name for group in groups}
    missing = {one.key: sorted(one.needs - there) for one in COMPARISONS}
    for key, names in missing.items():
        if names:
            print(f"{key}: left out, for there are no {', '.join(names)}", file=sys.stderr)
    return int(any(missing.values()))


if __name__ == "__main__":
    obey(main)
