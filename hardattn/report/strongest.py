"""The control that decides: the strongest of all that did not learn where to look."""

import math
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from hardattn.report.controls import controls
from hardattn.report.policy_gain import RETRAINED, Gain, gain_of
from hardattn.report.runs import Group, ReportError, Run
from hardattn.statistics.curves import last_quarter
from hardattn.statistics.intervals import (
    Estimate,
    paired_cluster_difference,
    paired_difference,
    unpaired_difference,
    within,
)

BEST_PATH = "the best fixed path"
TOO_SHORT = "too short"


class Control(NamedTuple):
    """What a row is compared with. Errors and differences are in percent."""

    name: str  # of the group, or BEST_PATH
    group: Group | None  # None for BEST_PATH
    seeds: tuple[int, ...]
    errors: tuple[float, ...]  # of these seeds
    difference: Estimate  # of the row from it

    @classmethod
    def of(cls, group: Group, other: Group) -> "Control":
        """Another run as the control of one."""
        errors = tuple(error_of(run) for run in other.runs)
        return cls(other.name, other, other.seeds, errors, difference(group, other))

    @property
    def error(self) -> float:
        """Over seeds."""
        return _mean(self.errors)

    def error_over(self, seeds: Collection[int]) -> float:
        """The mean over those of its seeds that are among the given ones; all, if none is."""
        found = dict(zip(self.seeds, self.errors, strict=True))
        return _mean([found[seed] for seed in self.seeds if seed in seeds] or self.errors)


def control_of(group: Group, here: Sequence[Group], known: Gain | None = None) -> Control | None:
    """The control with the least error: a run, or an observer retrained for the best fixed path.

    Over the seeds that all controls share: one of a single, lucky seed may seem the stronger
    beside the mean of several. Where they share none, each over its own.

    The observer counts where the policy gain was measured with it: beside the runs, or as `known`,
    if that is of the same trainings.
    """
    found = [Control.of(group, other) for other in controls(group, here)]
    measured = gain_of(group) or (
        known if known is not None and same_trainings(group, known) else None
    )
    whole = measured and all(isinstance(one.get(RETRAINED), dict) for one in measured.found)
    gap = measured.difference(RETRAINED) if measured and whole else None
    if measured is not None and gap is not None:
        errors = tuple(100.0 * one[RETRAINED]["error"] for one in measured.found)
        found.append(Control(BEST_PATH, None, measured.seeds, errors, _negative(gap)))
    if not found:
        return None
    shared = set(found[0].seeds).intersection(*(one.seeds for one in found))
    return min(found, key=lambda one: one.error_over(shared))


def same_trainings(group: Group, gain: Gain) -> bool:
    """Whether a gain was measured of these very trainings: it has their seeds and their errors."""
    own = [one["own"].get("error") for one in gain.found]
    mine = [run.result.greedy["error"] for run in group.runs]
    return gain.seeds == group.seeds and all(
        isinstance(one, int | float) and math.isclose(one, other, abs_tol=1e-3)
        for one, other in zip(own, mine, strict=True)
    )


def _negative(gap: Estimate) -> Estimate:
    low, high = (None if end is None else -end for end in (gap.high, gap.low))
    return gap._replace(point=-gap.point, low=low, high=high)


def too_short(group: Group) -> bool:
    """Whether its error was still falling when its training ended, so that more may change it.

    In the mean over seeds, by `LastQuarter.falling`.
    """
    told = last_quarter(run.result.training.get("curve") or [] for run in group.runs)
    return told is not None and told.falling


def difference(one: Group, other: Group) -> Estimate:
    """Error of `one` minus that of `other`, in points.

    Over the training seeds they have in common, or else over those of each; for a single one over
    the test images, if the columns are there; without any of these, no interval.
    """
    seeds = [seed for seed in one.seeds if seed in other.seeds]
    pairs = [(_of_seed(one, seed), _of_seed(other, seed)) for seed in seeds]
    if len(pairs) > 1:
        a, b = ([error_of(pair[side]) for pair in pairs] for side in (0, 1))
        return within(-100.0, 100.0, paired_difference(a, b))
    if len(one.runs) > 1 < len(other.runs):
        a, b = ([error_of(run) for run in group.runs] for group in (one, other))
        return within(-100.0, 100.0, unpaired_difference(a, b))
    if pairs:
        a_run, b_run = pairs[0]
        if a_run.columns is not None and b_run.columns is not None:
            mine, theirs = a_run.columns["greedy"], b_run.columns["greedy"]
            if mine.target.tolist() != theirs.target.tolist():
                raise ReportError(
                    f"{a_run.source} and {b_run.source} name the same scenes, yet their targets "
                    "differ; run both again"
                )
            return paired_cluster_difference(wrong(a_run, -1), wrong(b_run, -1), mine.index.numpy())
        return Estimate(error_of(a_run) - error_of(b_run), None, None, 1, "none")
    gap = _mean([error_of(run) for run in one.runs]) - _mean([error_of(run) for run in other.runs])
    return Estimate(gap, None, None, 0, "none")


def wrong(run: Run, look: int) -> Any:
    """(N,) percent: of random looks the share of draws after which it was wrong."""
    assert run.columns is not None
    found = 100.0 * (1 - run.drawn.share_correct[:, look])
    return found.view(-1, len(run.columns["greedy"].target)).mean(0).numpy()


def error_of(run: Run) -> float:
    """In percent."""
    return 100.0 * float(run.result.greedy["error"])


def _mean(errors: Sequence[float]) -> float:
    return sum(errors) / len(errors)


def _of_seed(group: Group, seed: int) -> Run:
    return next(run for run in group.runs if run.seed == seed)
