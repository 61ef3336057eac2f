"""Groups of runs become rows: how good, how sure, at what cost, and against which control.

What agents may see is the class they are compared in. Rows are ordered within a class, and no
order is implied between classes. A row's control is the strongest of those that differ from it in
who looks alone, or in having no block of soft attention: see `hardattn.report.strongest`.
"""

import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from hardattn.report.controls import script, sees
from hardattn.report.costs import architecture, over_trainings, times_of
from hardattn.report.policy_gain import Gain, gain_of
from hardattn.report.runs import Group, ReportError
from hardattn.report.strongest import TOO_SHORT, Control, control_of, error_of, too_short, wrong
from hardattn.report.titles import title
from hardattn.statistics.intervals import (
    Estimate,
    bootstrap_interval,
    cluster_interval,
    interquartile_mean,
    probability_of_improvement,
    within,
)

CLASSES = (
    "never sees the image",
    "sees a coarse view",
    "is told where the target is",
    "sees everything",
)
MANY = 20  # rows: beyond, some do well by chance, and curves of seeds cannot be told apart


class Row(NamedTuple):
    """One recipe on one set of scenes. Errors and differences are in percent."""

    group: Group
    title: str  # its own within a table, with what was changed of its recipe
    sees: str  # the class in which it may be compared
    error: Estimate
    middle: Estimate  # interquartile mean of the error; of fewer than four seeds it is the mean
    difference: Estimate | None  # error minus that of the control
    chance: Estimate | None  # percent, that a run has less error than one of the control
    control: str  # name of the row that `difference` is against, or BEST_PATH; "" for none
    against: Control | None  # the same, with its errors
    gain: Estimate | None  # points of error more when others choose its looks, or maps
    seconds: Estimate | None  # of training: median and quartiles over seeds
    latency_ms: Estimate | None  # of one image: median and quartiles of passes, as the next
    throughput: Estimate | None  # images a second

    @property
    def hit(self) -> float | None:
        """Chosen looks inside the target's box, in percent."""
        return percent(figure(self.group, "greedy", "hit"))

    @property
    def pointing(self) -> float | None:
        """Maps whose largest cell is in the target's box, in percent."""
        return percent(figure(self.group, "greedy", "pointing"))

    @property
    def activation_pointing(self) -> float | None:
        """The same of class activation maps."""
        return percent(figure(self.group, "greedy", "activation_pointing"))

    @property
    def pixels(self) -> float:
        """How many numbers a channel it was shown, in the mean."""
        looks = figure(self.group, "greedy", "looks") or self.group.first.world["looks"]
        return pixels(self.group, looks)

    @property
    def flops(self) -> float | None:
        """Operations for one image."""
        return mean([run.result.flops for run in self.group.runs])

    @property
    def seeds(self) -> dict[int, float]:
        """Error in percent by training seed."""
        return {run.seed: error_of(run) for run in self.group.runs}

    @property
    def script(self) -> str:
        """Of a control that follows a script: its name; "" where looking is learned."""
        return script(self.group.first)

    @property
    def looks_around(self) -> bool:
        """Whether it looks a place at a time, rather than at everything at once."""
        return bool(self.group.first.world["sensor"] != "whole")

    @property
    def estimator(self) -> str:
        """What the looking was learned by; "" where there was nothing of it to learn."""
        learned = not self.script and self.looks_around
        return str(self.group.first.recipe.get("estimator") or "") if learned else ""

    @property
    def verdict(self) -> str:
        """Whether it beats its control: yes, no (cannot be told from it), worse, or unsure.

        TOO_SHORT where more training of the one that is behind may turn it round. "" for scripts,
        and where there is no control.
        """
        gap = self.difference
        if gap is None or self.script or self.against is None:
            return ""
        if gap.low is None or gap.high is None:
            return "unsure"
        found = "yes" if gap.high < 0 else "worse" if gap.low > 0 else "no"
        behind = self.against.group if found == "yes" else self.group
        return TOO_SHORT if behind is not None and too_short(behind) else found


class Table(NamedTuple):
    """All rows on the same scenes, class by class, best first within a class."""

    scenes: str
    sections: tuple[tuple[str, tuple[Row, ...]], ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        return tuple(row for _, rows in self.sections for row in rows)

    @property
    def controls(self) -> tuple[str, ...]:
        """Names of the rows that others are compared with."""
        return tuple(sorted({row.control for row in self.rows if row.control}))

    @property
    def decimals(self) -> int:
        """Of errors in percent: no more than the test scenes can resolve."""
        return 2 if min(row.group.first.greedy["n"] for row in self.rows) >= 5000 else 1


def tables(
    groups: Sequence[Group], against: str | None = None, gains: Mapping[str, Gain] | None = None
) -> list[Table]:
    """One table for each set of scenes.

    against: the name of the row to subtract from those of its class; by default each row has its
    own control. gains: by name what swaps of looks did, of runs that have no folder to tell it; of
    these an observer retrained for the best fixed path may be a control. Raises ReportError for a
    name that is not there.
    """
    check_named(groups, against)
    done, times = [], times_of(groups)
    for scenes in sorted({group.scenes for group in groups}):
        here = [group for group in groups if group.scenes == scenes]
        rows = [
            _row(group, called, _other(group, here, against, gains or {}), times)
            for group, called in zip(here, _titles(here), strict=True)
        ]
        sections = []
        for seen in sorted({row.sees for row in rows}, key=_class_order):
            part = [row for row in rows if row.sees == seen]
            sections.append(
                (seen, tuple(sorted(part, key=lambda r: (r.error.point, r.group.name))))
            )
        done.append(Table(scenes, tuple(sections)))
    return done


def check_named(groups: Sequence[Group], against: str | None) -> None:
    """Raise ReportError if no group has the name of what is to be subtracted."""
    names = sorted({group.name for group in groups})
    if against is not None and against not in names:
        near = difflib.get_close_matches(against, names, 1)
        hint = f"; perhaps {near[0]}?" if near else f"; there are {', '.join(names)}"
        raise ReportError(f"no row named {against!r}{hint}")


def error_after(group: Group) -> list[Estimate]:
    """Greedy error after each look, in percent, with the intervals of the table."""
    curves = [run.result.greedy["error_after"] for run in group.runs]
    looks = min(map(len, curves))
    return [_interval(group, [curve[look] for curve in curves], look) for look in range(looks)]


def percent_over_seeds(shares: Sequence[float]) -> Estimate:
    """The mean of shares that training seeds gave, in percent, and its interval.

    Cut off at 0 and 100, of which Student's t knows nothing.
    """
    return within(0.0, 100.0, bootstrap_interval([100 * share for share in shares]))


def basis(estimate: Estimate, seeds: int) -> str:
    """What an interval is over, in words."""
    if estimate.low is None:
        if estimate.n == 0:
            return "no seed in common, so no interval"
        return "1 seed, so no interval" if seeds == 1 else "no interval"
    if estimate.unit == "seed":
        return f"over {estimate.n} training seeds"
    return f"1 seed; over {estimate.n:,} test images"


def _titles(groups: Sequence[Group]) -> list[str]:
    """A title each, with what was changed of the recipe; where recipes share one, the name too."""
    given = [title(group.first) for group in groups]
    return [
        one if given.count(one) == 1 else f"{one} ({group.name})"
        for one, group in zip(given, groups, strict=True)
    ]


def _row(
    group: Group, called: str, other: Control | None, times: dict[str, tuple[Estimate, Estimate]]
) -> Row:
    known = [times[name] for name in map(architecture, group.runs) if name in times]
    latency, throughput = known[0] if known else (None, None)
    errors = [error_of(run) for run in group.runs]
    measured = gain_of(group)
    return Row(
        group,
        called,
        sees(group.first),
        error=_interval(group, [run.result.greedy["error"] for run in group.runs], -1),
        middle=within(0.0, 100.0, bootstrap_interval(errors, interquartile_mean)),
        difference=None if other is None else other.difference,
        chance=None if other is None else _chance(errors, list(other.errors)),
        gain=None if measured is None else measured.gain,
        control="" if other is None else other.name,
        against=other,
        seconds=over_trainings(group, lambda seconds, images: seconds),
        latency_ms=latency,
        throughput=throughput,
    )


def _chance(errors: list[float], others: list[float]) -> Estimate | None:
    """That a run has less error than one of the control, in percent; None of a single seed."""
    found = probability_of_improvement([-error for error in errors], [-error for error in others])
    if found.low is None or found.high is None:
        return None
    return found._replace(point=100 * found.point, low=100 * found.low, high=100 * found.high)


def _interval(group: Group, shares: list[float], look: int) -> Estimate:
    """Of errors: over seeds; of a single seed that has its columns over test images."""
    run = group.runs[0]
    if len(shares) > 1 or run.columns is None:
        return percent_over_seeds(shares)
    columns = run.columns["greedy"]
    if len(columns.target) != run.result.greedy["n"]:
        raise ReportError(f"{run.source}: n is not the number of rows of columns.pt; run it again")
    return cluster_interval(wrong(run, look), columns.index.numpy(), resamples=4000)


def _other(
    group: Group, here: list[Group], against: str | None, gains: Mapping[str, Gain]
) -> Control | None:
    """What to subtract from a group: the one named, else the strongest of its controls.

    Nothing from itself, and nothing of another class: whoever sees more is no match.
    """
    if against is None:
        return control_of(group, here, gains.get(group.name))
    for other in here:
        if other.name == against != group.name and sees(other.first) == sees(group.first):
            return Control.of(group, other)
    return None


def pixels(group: Group, looks: float) -> float:
    """How many numbers a channel its agents were shown by that many looks, and before them."""
    world = group.first.world
    return float(world.get("pixels_before", 0) + looks * world["pixels_per_look"])


def _class_order(sees: str) -> tuple[int, str]:
    return (CLASSES.index(sees) if sees in CLASSES else len(CLASSES), sees)


def figure(group: Group, draw: str, name: str) -> float | None:
    """The mean over seeds of a figure as it is measured; None where one of them lacks it."""
    return mean([run.figure(draw, name) for run in group.runs])


def mean(values: Sequence[Any]) -> Any:
    """The mean; None where a value is no number, or not finite."""
    if not values or any(not isinstance(v, int | float) or not math.isfinite(v) for v in values):
        return None
    return sum(values) / len(values)


def percent(share: float | None) -> float | None:
    """A share in percent."""
    return None if share is None else 100 * share
