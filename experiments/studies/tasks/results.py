"""What committed results say of each system on each task, beside its control."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hardattn.statistics.intervals import Estimate, paired_difference, within

from ...kinds import Json
from ...recipes import RECIPES
from ...records.claim import controls_of
from ...records.committed import runs_of
from .plan import Asked, Measure

Runs = dict[int, Json]  # by seed
VERDICTS = {
    "attends": "better than its control, and worse both under the mean map and under those of "
    "other images",
    "looks": "of who chooses where to look: better than the best of the same observer's looks "
    "that nobody learned",
    "helps": "better than its control, which its maps are not shown to be the reason of",
    "worse": "worse than its control",
    "cannot be told": "none of these",
}


@dataclass(frozen=True)
class Standing:
    """A system on a task, beside its control; differences are paired by seed."""

    name: str
    """Of its results: the recipe's, and what was changed of it."""
    title: str
    runs: Runs
    control: str = ""
    """The best of its controls; "" where it is one itself, or none was run."""
    gain: Estimate | None = None
    """The first measure of the task, minus that of the control."""
    replaced: tuple[Estimate | None, Estimate | None] = (None, None)
    """The same with the mean map, and with another image's, minus with its own."""
    verdict: str = ""

    @property
    def waits(self) -> bool:
        """Whether no run of it is committed."""
        return not self.runs


def standings(task: Asked, results: Path) -> list[Standing]:
    """All that is about the task, the best first; last what was not run."""
    names = [name for recipe in task.recipes() for name in (recipe, *changed(recipe, results))]
    found = [standing(name, task, results) for name in names]
    first, sign = task.measures[0], -1 if task.measures[0].more else 1
    return sorted(
        found, key=lambda one: (one.waits, sign * (mean(one.runs, first) if one.runs else 0.0))
    )


def changed(recipe: str, results: Path) -> list[str]:
    """Names of what is committed of a recipe with other settings, labels apart."""
    names = sorted(path.stem for path in results.glob(f"{recipe},*.json"))
    return [name for name in names if "labels=" not in name and "probe=" not in name]


def standing(name: str, task: Asked, results: Path) -> Standing:
    """One of them beside its control."""
    recipe, comma, changes = name.partition(",")
    runs, measure = runs_of(name, results), task.measures[0]
    title = RECIPES[recipe].title
    if comma:  # which may be to attend
        title = f"{title.removesuffix(', no attention')} ({changes.replace(',', ', ')})"
    one = Standing(name, title, runs)
    if not runs:
        return one
    own = controls_of(name, RECIPES[recipe]).get("compared_with", [])
    names = own or ([recipe] if comma else [])
    held = {other: runs_of(other, results) for other in names}
    paired = {other: theirs for other, theirs in held.items() if runs.keys() & theirs.keys()}
    replaced = _replaced(runs, "mean", measure), _replaced(runs, "foreign", measure)
    if not paired:
        return Standing(name, title, runs, replaced=replaced)
    sign = 1 if measure.more else -1
    best = max(paired, key=lambda other: sign * mean(paired[other], measure))
    gain = difference(runs, paired[best], measure)
    chosen = any(looks_chosen(run) for run in runs.values())
    verdict = judged(gain, replaced, measure, chosen)
    return Standing(name, title, runs, best, gain, replaced, verdict)


def judged(
    gain: Estimate, replaced: Sequence[Estimate | None], measure: Measure, chosen: bool
) -> str:
    """A row of VERDICTS. chosen: whether it chooses where to look, and so has no map to replace."""
    if gain.low is None or gain.high is None:
        return ""
    better, worse = (gain.low > 0, gain.high < 0) if measure.more else (gain.high < 0, gain.low > 0)
    if worse:
        return "worse"
    if not better:
        return "cannot be told"
    if chosen:
        return "looks"
    lost = [one is not None and _excludes(one, measure) for one in replaced]
    return "attends" if all(lost) else "helps"


def _excludes(lost: Estimate, measure: Measure) -> bool:
    """Whether a replaced map makes it worse for certain."""
    if lost.low is None or lost.high is None:
        return False
    return lost.high < 0 if measure.more else lost.low > 0


def looks_chosen(run: Json) -> bool:
    """Whether the agent of a run looks at parts, and so has to choose."""
    return int(run["world"]["looks"]) > 1 and run["world"]["sensor"] not in ("whole", "cells")


def value(run: Json, measure: Measure) -> float | None:
    """A measure of the pass as in use; None where it says nothing of this run."""
    found = run["figures"]["greedy"].get(measure.key)
    return None if found is None else measure.times * float(found)


def mean(runs: Runs, measure: Measure) -> float:
    """Over seeds."""
    return sum(_sure(run, measure) for run in runs.values()) / len(runs)


def over_seeds(runs: Runs, measure: Measure) -> Estimate | None:
    """A measure with its interval; None where it says nothing of these runs."""
    values = [value(run, measure) for run in runs.values()]
    known = [one for one in values if one is not None]
    if not known:
        return None
    return within(0.0, measure.most, paired_difference(known, [0.0] * len(known)))


def difference(mine: Runs, theirs: Runs, measure: Measure) -> Estimate:
    """Over the seeds that both have."""
    seeds = sorted(mine.keys() & theirs.keys())
    gap = paired_difference(
        [_sure(mine[seed], measure) for seed in seeds],
        [_sure(theirs[seed], measure) for seed in seeds],
    )
    return within(-measure.most, measure.most, gap)


def _replaced(runs: Runs, name: str, measure: Measure) -> Estimate | None:
    with_it = [run["controls"].get(name, {}).get(measure.key) for run in runs.values()]
    if any(one is None for one in with_it):
        return None
    own = [_sure(run, measure) for run in runs.values()]
    gap = paired_difference([measure.times * one for one in with_it], own)
    return within(-measure.most, measure.most, gap)


def _sure(run: Json, measure: Measure) -> float:
    """The measure of a run that has it."""
    found = value(run, measure)
    if found is None:
        raise ValueError(f"{run['name']}, seed {run['seed']}: no {measure.key} was measured")
    return found
