"""What a finished plan found, as it is committed, and what it says of each row: the verdict."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, TypedDict, cast

from hardattn.statistics.intervals import Estimate, paired_difference, within
from hardattn.statistics.significance import chance_of, holm

from ...kinds import Json, Settings
from ...recipe import UsageError
from ...recipes import RECIPES
from ...records.committed import STUDIES, pretty
from .measure import DIVERGED, PLAN, before, chosen, folder_of, search_of, spent
from .plan import CONTROL, FULL, RATES, SEARCH_SEED, SEARCH_SHARE, Cell, Protocol, Row, kept

SAVED = STUDIES / "soft.json"
LEVEL = 0.05
LEAST_SEEDS = 3  # for a verdict
# Of each pass as many figures as tables and claims need.
KEPT = (
    *("error", "nll", "ece", "aurc", "error_auroc", "pointing", "box_accuracy", "map_entropy"),
    "activation_box_accuracy",
)


Figures = dict[str, list[float | None]]  # of a pass, by name: one a seed


class Measured(TypedDict):
    """A row of the plan, with what was measured of it: of each list, one a seed."""

    name: str
    kind: str
    changes: Settings
    weights: int
    flops: int
    rate: float | None
    search: dict[str, float | None]
    """Validation error by learning rate; None where it diverged."""
    seeds: list[int]
    diverged: list[int]
    greedy: Figures
    averaged: Figures
    """Of several draws; empty where nothing is drawn."""
    controls: dict[str, list[float]]
    """Error with another map in place of its own."""
    curve: list[list[tuple[int, float]]]
    """Images seen, and the validation error then."""
    shares: NotRequired[list[dict[str, dict[str, float]]]]
    """Of a block that mixes kinds of attention, what each came to count, by the block's name."""


class Search(TypedDict):
    """How learning rates were chosen."""

    seed: int
    share: float
    """Of the updates of a whole training."""
    rates: list[float]


class Outline(TypedDict):
    """How all rows of a plan are trained."""

    format: int
    recipe: str
    updates: int
    batch: int
    scenes: str
    search: Search


class Found(Outline):
    """All that is finished of a plan, as it is committed."""

    seeds: int
    rows: list[Measured]
    made_with: list[str]
    """Commits, and the machines that they ran on."""
    core_hours: float


def collected(out: Path, protocol: Protocol) -> Found:
    """All that is finished in a folder, as plain values."""
    rows = kept(out / PLAN, protocol)
    rates = chosen(out, protocol, rows)
    found, made = [], set[str](before(out).get("made_with", ()))
    for row in rows:
        runs, diverged = _runs(out, protocol, row, rates)
        search = search_of(out, protocol, row) if protocol.search else {}
        here = [run["made_with"] for run in runs if "made_with" in run]
        made |= {f"{each['commit']} on {each['processor']}" for each in here}
        found.append(_row(row, runs, rates, search, diverged))
    return {
        **outline(protocol),
        "seeds": protocol.seeds,
        "rows": found,
        "made_with": sorted(made),
        "core_hours": round(spent(out) / 3600, 2),
    }


def outline(protocol: Protocol) -> Outline:
    """How all rows of a plan are trained."""
    base = RECIPES[protocol.recipe].training
    return {
        "format": 1,
        "recipe": protocol.recipe,
        "updates": base.images // base.batch_size,
        "batch": base.batch_size,
        "scenes": RECIPES[protocol.recipe].problem.scenes(),
        "search": {"seed": SEARCH_SEED, "share": SEARCH_SHARE, "rates": list(RATES)},
    }


def _runs(
    out: Path, protocol: Protocol, row: Row, rates: dict[str, float]
) -> tuple[list[Json], list[int]]:
    """The results of a row by seed, and the seeds that diverged."""
    runs, diverged = [], []
    rate = rates.get(CONTROL if row.kind == "longer" else row.name)
    for seed in range(protocol.seeds) if rate is not None else ():
        assert rate is not None
        folder = folder_of(out, protocol, Cell(row, rate, seed, False))
        if (folder / "result.json").exists():
            runs.append(json.loads((folder / "result.json").read_text()))
        elif (folder / DIVERGED).exists():
            diverged.append(seed)
    return runs, diverged


def _row(
    row: Row,
    runs: list[Json],
    rates: dict[str, float],
    search: dict[float, float | None],
    diverged: list[int],
) -> Measured:
    def figures(kind: str) -> Figures:
        return {name: [run["figures"][kind].get(name) for run in runs] for name in KEPT}

    draws = any((run["figures"]["averaged"].get("passes") or 1) > 1 for run in runs)
    controls = {name for run in runs for name in run["controls"]}
    found: Measured = {
        "name": row.name,
        "kind": row.kind,
        "changes": row.changes,
        "weights": row.weights,
        "flops": row.flops,
        "rate": rates.get(CONTROL if row.kind == "longer" else row.name),
        "search": {str(rate): error for rate, error in search.items()},
        "seeds": [run["seed"] for run in runs],
        "diverged": diverged,
        "greedy": figures("greedy"),
        "averaged": figures("averaged") if draws else {},
        "controls": {
            name: [run["controls"][name]["error"] for run in runs] for name in sorted(controls)
        },
        "curve": [run["training"]["curve"] for run in runs],
    }
    if shares := [run["shares"] for run in runs if "shares" in run]:
        found["shares"] = shares
    return found


def read(path: Path = SAVED) -> Found:
    """What is committed. Raises UsageError where nothing is."""
    if not path.exists():
        raise UsageError("no comparison of all blocks is committed: leave --add")
    return cast(Found, json.loads(path.read_text()))


def text_of(found: Found) -> str:
    """As it stands in a file."""
    return pretty(found) + "\n"


@dataclass(frozen=True)
class Standing:
    """A row, beside its controls. Differences are in points of error, paired by seed."""

    row: Measured
    error: Estimate | None
    minus_control: Estimate | None = None
    minus_wider: Estimate | None = None
    wider: str = ""
    """The name of the second control; "" where the row has no more weights than the first."""
    mean: Estimate | None = None
    """The error with the mean map, minus its own."""
    foreign: Estimate | None = None
    chance: float = 1.0
    """Of so large a difference to the control, by chance: after Holm, over all rows."""
    chance_of_map: float = 1.0
    """Of all three at once, control and both maps, the largest; after Holm, over all rows."""
    verdict: str = ""


VERDICTS = {
    "attends": "less error than the network without it, and more under the mean map and under "
    "those of other images",
    "helps": "less error than the network without it, which its map is not shown to be the reason "
    "of",
    "worse": "more error than the network without it",
    "cannot be told": "neither",
}


def standings(found: Found) -> list[Standing]:
    """All rows that were trained, with verdicts where there are enough seeds; the best first.

    A row's chance to be held for better, or for attending, by luck alone is bounded over all rows
    together. The control, and what is not compared with it, has no verdict.
    """
    rows = [row for row in found["rows"] if row["seeds"]]
    control = next((row for row in rows if row["kind"] == "control"), None)
    stand = [_standing(row, control, found["rows"]) for row in rows]
    asked = [at for at, one in enumerate(stand) if one.row["kind"] in ("block", "head")]
    if control is not None and found["recipe"] == FULL.recipe:
        better = holm([_chance(stand[at], control) for at in asked])
        both = holm([_chance_of_map(stand[at], control) for at in asked])
        for at, one, other in zip(asked, better, both, strict=True):
            stand[at] = _judged(stand[at], one, other, control)
    return sorted(stand, key=lambda one: (one.error is None, one.error and one.error.point))


def errors_of(row: Measured) -> list[float]:
    """The error of each seed, which every pass has."""
    return cast(list[float], row["greedy"]["error"])


def _standing(row: Measured, control: Measured | None, rows: Sequence[Measured]) -> Standing:
    second = _wider(row, rows)
    own = errors_of(row)
    more = {name: _gap(values, own) for name, values in row["controls"].items()}
    return Standing(
        row,
        _points(own),
        None if control in (None, row) else _paired(row, control),
        None if second is None else _paired(row, second),
        "" if second is None else second["name"],
        more.get("mean"),
        more.get("foreign"),
    )


def _wider(row: Measured, rows: Sequence[Measured]) -> Measured | None:
    """As `plan.wider_than`, among rows as they are committed."""
    least = next(each["weights"] for each in rows if each["kind"] == "control")
    if row["kind"] not in ("block", "head") or row["weights"] <= least:
        return None
    wide = [one for one in rows if one["kind"] == "wider" and one["weights"] >= row["weights"]]
    return min(wide, key=lambda one: int(one["weights"]), default=None)


def _pairs(row: Measured, other: Measured) -> tuple[list[float], list[float]]:
    """Errors of both, at the seeds that both have."""
    mine = dict(zip(row["seeds"], errors_of(row), strict=True))
    theirs = dict(zip(other["seeds"], errors_of(other), strict=True))
    seeds = sorted(mine.keys() & theirs.keys())
    return [mine[seed] for seed in seeds], [theirs[seed] for seed in seeds]


def _paired(row: Measured, other: Measured) -> Estimate | None:
    mine, theirs = _pairs(row, other)
    return _gap(mine, theirs)


def _gap(more: Sequence[float], less: Sequence[float]) -> Estimate | None:
    """The mean difference, in points."""
    if not more:
        return None
    gap = paired_difference([100 * one for one in more], [100 * one for one in less])
    return within(-100.0, 100.0, gap)


def _points(errors: Sequence[float]) -> Estimate:
    return within(0.0, 100.0, paired_difference([100 * one for one in errors], [0.0] * len(errors)))


def _chance(one: Standing, control: Measured) -> float:
    return chance_of(*_pairs(one.row, control)) if one.minus_control else 1.0


def _chance_of_map(one: Standing, control: Measured) -> float:
    """That the row beats its control and loses under both maps: as sure as the least sure."""
    own = errors_of(one.row)
    if one.minus_control is None or one.minus_control.point >= 0:
        return 1.0
    chances = [_chance(one, control)]
    for gap, name in ((one.mean, "mean"), (one.foreign, "foreign")):
        if gap is None or gap.point <= 0:
            return 1.0
        chances.append(chance_of(one.row["controls"][name], own))
    return max(chances)


def _judged(one: Standing, better: float, both: float, control: Measured) -> Standing:
    found = dict(vars(one), chance=better, chance_of_map=both)
    pairs = len(_pairs(one.row, control)[0])
    if pairs < LEAST_SEEDS or one.minus_control is None:
        return Standing(**found)
    if both < LEVEL:
        verdict = "attends"
    elif better < LEVEL:
        verdict = "helps" if one.minus_control.point < 0 else "worse"
    else:
        verdict = "cannot be told"
    return Standing(**found | {"verdict": verdict})
