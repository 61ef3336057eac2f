"""Groups of runs become rows: how good, how sure, at what cost, and against which control.

What agents may see is the class they are compared in. Rows are ordered within a class, and no
order is implied between classes.
"""

import difflib
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from hardattn.report.read import Group, ReportError, Run, script
from hardattn.stats import (
    Estimate,
    bootstrap_interval,
    cluster_interval,
    paired_cluster_difference,
    paired_difference,
)

CLASSES = (
    "never sees the image",
    "coarse view",
    "is told where the target is",
    "sees everything",
)

METHODS = {"student-t": "Student's t"}


class Row(NamedTuple):
    """One recipe on one set of scenes. Errors and differences are in percent."""

    group: Group
    title: str  # its own within a table
    error: Estimate
    difference: Estimate | None  # error minus that of the control
    control: str  # name of the row that `difference` is against, "" for none
    sampled: float | None
    averaged: float | None
    hit: float | None
    nll: float | None
    ece: float | None
    pixels: float
    speed: float | None

    @property
    def sees(self) -> str:
        return str(self.group.first["sees"])

    @property
    def script(self) -> str:
        """Of a control that follows a script: its name; "" where looking is learned."""
        return script(self.group.first)


class Table(NamedTuple):
    """All rows on the same scenes, class by class, best first within a class."""

    scenes: str
    sections: tuple[tuple[str, tuple[Row, ...]], ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        return tuple(row for _, rows in self.sections for row in rows)

    @property
    def decimals(self) -> int:
        """Of errors in percent: no more than the test scenes can resolve."""
        return (
            2 if min(row.group.first["figures"]["greedy"]["n"] for row in self.rows) >= 5000 else 1
        )


def tables(groups: Sequence[Group], against: str | None = None) -> list[Table]:
    """One table for each set of scenes.

    against: the name of the row to subtract, for all classes; by default each row has the random
    script of its own class, the one that sees as many pixels where there are several. Raises
    ReportError for a name that is not there.
    """
    names = sorted({group.name for group in groups})
    if against is not None and against not in names:
        near = difflib.get_close_matches(against, names, 1)
        hint = f"; perhaps {near[0]}?" if near else f"; there are {', '.join(names)}"
        raise ReportError(f"no row named {against!r}{hint}")
    done = []
    for scenes in sorted({group.scenes for group in groups}):
        here = [group for group in groups if group.scenes == scenes]
        rows = [
            _row(group, title, _control(group, here, against))
            for group, title in zip(here, _titles(here), strict=True)
        ]
        sections = []
        for sees in sorted({row.sees for row in rows}, key=_class_order):
            part = [row for row in rows if row.sees == sees]
            sections.append(
                (sees, tuple(sorted(part, key=lambda r: (r.error.point, r.group.name))))
            )
        done.append(Table(scenes, tuple(sections)))
    return done


def difference(one: Group, other: Group) -> Estimate:
    """Error of `one` minus that of `other`, in points.

    Over the training seeds they have in common; for a single one over the test images, if the
    columns are there; without either, no interval.
    """
    seeds = [seed for seed in one.seeds if seed in other.seeds]
    pairs = [(_of_seed(one, seed), _of_seed(other, seed)) for seed in seeds]
    if len(pairs) > 1:
        a, b = ([_error(pair[side]) for pair in pairs] for side in (0, 1))
        return paired_difference(a, b)
    if pairs:
        a_run, b_run = pairs[0]
        if a_run.columns is not None and b_run.columns is not None:
            mine, theirs = a_run.columns["greedy"], b_run.columns["greedy"]
            if mine.target.tolist() != theirs.target.tolist():
                raise ReportError(
                    f"{a_run.source} and {b_run.source} name the same scenes, yet their targets "
                    "differ; run both again"
                )
            return paired_cluster_difference(
                _wrong(mine, -1), _wrong(theirs, -1), mine.index.numpy()
            )
        return Estimate(_error(a_run) - _error(b_run), None, None, 1, "none")
    gap = _mean([_error(run) for run in one.runs]) - _mean([_error(run) for run in other.runs])
    return Estimate(gap, None, None, 0, "none")


def error_after(group: Group) -> list[Estimate]:
    """Greedy error after each look, in percent, with the intervals of the table."""
    curves = [run.result["figures"]["greedy"]["error_after"] for run in group.runs]
    looks = min(map(len, curves))
    return [
        _interval(group, [100 * curve[look] for curve in curves], look) for look in range(looks)
    ]


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
    """A title each; where recipes share one, what was changed (`NAME,lr=0.01`) or the name."""
    given = [str(group.first["title"]) for group in groups]
    return [
        title
        if given.count(title) == 1
        else f"{title} ({group.name.partition(',')[2] or group.name})"
        for title, group in zip(given, groups, strict=True)
    ]


def _row(group: Group, title: str, control: Group | None) -> Row:
    world = group.first["world"]
    looks = _figure(group, "greedy", "looks") or world["looks"]
    return Row(
        group,
        title,
        _interval(group, [_error(run) for run in group.runs], -1),
        None if control is None or control is group else difference(group, control),
        "" if control is None or control is group else control.name,
        _percent(_figure(group, "sampled", "error")),
        _percent(_figure(group, "averaged", "error")),
        _percent(_figure(group, "greedy", "hit")),
        _figure(group, "greedy", "nll"),
        _figure(group, "greedy", "ece"),
        pixels(group, looks),
        _mean([run.result["training"].get("images_per_second") for run in group.runs]),
    )


def _interval(group: Group, values: list[float], look: int) -> Estimate:
    """Of errors in percent; Student's t does not know that they end at 0 and 100."""
    run = group.runs[0]
    if len(values) > 1 or run.columns is None:
        found = bootstrap_interval(values)
        if found.low is None or found.high is None:
            return found
        return found._replace(low=max(found.low, 0.0), high=min(found.high, 100.0))
    columns = run.columns["greedy"]
    if len(columns.target) != run.result["figures"]["greedy"]["n"]:
        raise ReportError(f"{run.source}: n is not the number of rows of columns.pt; run it again")
    return cluster_interval(_wrong(columns, look), columns.index.numpy(), resamples=4000)


def _wrong(columns: Any, look: int) -> Any:
    return 100.0 * (~columns.correct[:, look]).double().numpy()


def _control(group: Group, here: list[Group], against: str | None) -> Group | None:
    if against is not None:
        return next((other for other in here if other.name == against), None)

    def apart(other: Group) -> tuple[float, float]:
        return abs(_pixels(other) - _pixels(group)), _error(other.runs[0])

    same = [
        other
        for other in here
        if script(other.first) == "random" and other.first["sees"] == group.first["sees"]
    ]
    return group if group in same else min(same, key=apart, default=None)


def pixels(group: Group, looks: float) -> float:
    """How many numbers a channel its agents were shown by that many looks, and before them."""
    world = group.first["world"]
    return float(world.get("pixels_before", 0) + looks * world["pixels_per_look"])


def _pixels(group: Group) -> float:
    return pixels(group, group.first["world"]["looks"])


def _class_order(sees: str) -> tuple[int, str]:
    return (CLASSES.index(sees) if sees in CLASSES else len(CLASSES), sees)


def _of_seed(group: Group, seed: int) -> Run:
    return next(run for run in group.runs if run.seed == seed)


def _error(run: Run) -> float:
    return 100.0 * float(run.result["figures"]["greedy"]["error"])


def _figure(group: Group, draw: str, name: str) -> float | None:
    return _mean([(run.result["figures"].get(draw) or {}).get(name) for run in group.runs])


def _mean(values: Sequence[Any]) -> Any:
    """The mean; None where a value is None or not finite."""
    if not values or any(value is None or not math.isfinite(value) for value in values):
        return None
    return sum(values) / len(values)


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


class Column(NamedTuple):
    """A column of every rendering: head, explanation, cell text, and what it sorts by."""

    key: str
    head: str
    help: str
    text: Callable[[Row, int], str]
    value: Callable[[Row], float | str | None]


def columns(table: Table) -> list[Column]:
    """The columns that have something to say in this table."""
    titles = {row.group.name: row.title for row in table.rows}
    controls = {row.control for row in table.rows if row.control}
    head = f"minus {titles[controls.pop()]}" if len(controls) == 1 else "minus control"
    everything = [
        Column("sees", "sees", "what it may see", lambda r, d: r.sees, lambda r: r.sees),
        Column("agent", "agent", "", lambda r, d: r.title, lambda r: r.title),
        Column(
            "seeds", "seeds", "training seeds", lambda r, d: _seeds(r), lambda r: len(r.group.runs)
        ),
        Column(
            "error",
            "error %",
            "greedy, one pass, with its 95 % interval",
            lambda r, d: estimate_text(r.error, d),
            lambda r: r.error.point,
        ),
        Column(
            "difference",
            head,
            "points of error, paired, with its 95 % interval; below 0 is better",
            lambda r, d: "" if r.difference is None else estimate_text(r.difference, d, sign=True),
            lambda r: None if r.difference is None else r.difference.point,
        ),
        _number("sampled", "sampled %", "error of one sampled pass", lambda r: r.sampled, None),
        _number("averaged", _passes(table), "error of averaged passes", lambda r: r.averaged, None),
        _number("hit", "hit %", "chosen looks inside the target's box", lambda r: r.hit, 1),
        _number("nll", "NLL", "negative log-likelihood, nats", lambda r: r.nll, 3),
        _number("ece", "ECE", "expected calibration error", lambda r: r.ece, 3),
        _number("pixels", "pixels", "seen over all looks", lambda r: r.pixels, 0),
        _number("parameters", "weights", "parameters", lambda r: r.group.first["parameters"], 0),
        _number("speed", "images/s", "in training", lambda r: r.speed, 0),
    ]
    return [
        column
        for column in everything
        if any(column.text(row, table.decimals).strip("–") for row in table.rows)
    ]


def estimate_text(estimate: Estimate, decimals: int, sign: bool = False) -> str:
    """`12.3 [11.0, 13.4]`, or the number alone where there is no interval."""
    form = f"{'+' if sign else ''}.{decimals}f"
    point = f"{estimate.point:{form}}"
    if estimate.low is None or estimate.high is None:
        return point.replace("-", "−")
    return f"{point} [{estimate.low:{form}}, {estimate.high:{form}}]".replace("-", "−")


def _number(
    key: str, head: str, help_text: str, value: Callable[[Row], float | None], decimals: int | None
) -> Column:
    def text(row: Row, of_errors: int) -> str:
        number = value(row)
        return (
            "–" if number is None else f"{number:,.{of_errors if decimals is None else decimals}f}"
        )

    return Column(key, head, help_text, text, value)


def _passes(table: Table) -> str:
    passes = {
        (row.group.first["figures"].get("averaged") or {}).get("passes") for row in table.rows
    }
    passes -= {None, 1}
    return f"avg of {passes.pop()} %" if len(passes) == 1 else "averaged %"


def _seeds(row: Row) -> str:
    count = len(row.group.runs)
    return str(count) if count > 1 else "1 seed"


def notes(table: Table) -> list[str]:
    """What a reader must know of the numbers, each note where it applies."""
    said = ["Error: greedy looks, one pass. Rows are ordered within a class of sight, not across."]
    by_seed = [row.error for row in table.rows if row.error.unit == "seed" and row.error.n > 1]
    if by_seed:
        names = ", ".join(sorted({METHODS.get(one.method, one.method) for one in by_seed}))
        said.append(f"In brackets: 95 % interval over training seeds ({names}).")
    if any(row.error.unit == "image" and row.error.low is not None for row in table.rows):
        said.append(
            "Rows with 1 seed: in brackets a 95 % interval over test images for that one trained "
            "agent; it says nothing of another training seed."
        )
    if any(column.key == "averaged" for column in columns(table)):
        said.append(
            "Averaged: the mean of several sampled passes, which sees that many times more."
        )
    alone = [row.title for row in table.rows if row.error.low is None]
    if alone:
        said.append(f"1 seed, so no interval: {', '.join(alone)}.")
    across = [r for r in table.rows if r.control and not _same_class(r, table)]
    if across:
        said.append("Differences across classes are shown because a row to subtract was named.")
    return said


def _same_class(row: Row, table: Table) -> bool:
    return any(other.group.name == row.control and other.sees == row.sees for other in table.rows)
