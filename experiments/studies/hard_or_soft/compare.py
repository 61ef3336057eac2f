"""What the comparison says: errors with intervals over seeds and images, verdicts, budgets."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hardattn.statistics.crossed import (
    at_budget,
    performance_profile,
    two_way_chance,
    two_way_difference,
    two_way_interval,
)
from hardattn.statistics.curves import last_quarter
from hardattn.statistics.intervals import (
    Estimate,
    bootstrap_interval,
    probability_of_improvement,
    within,
)
from hardattn.statistics.significance import holm

from ...kinds import Json
from .results import answers, seeds_of, spending

LEVEL = 0.05
LEAST_SEEDS = 3  # for a verdict
REFERENCE = "cnn"  # whom all are compared with: it has no attention
AXES = ("images", "flops", "seconds")
LEVELS = (0.02, 0.05, 0.1, 0.2, 0.5)  # of error, where profiles are told
FAIR = ("random", "raster", "path")  # controls that are told nothing

Cells = dict[tuple[str, str, str], Json]  # by task, agent and script


@dataclass(frozen=True)
class Standing:
    """A cell that was run, in points of error."""

    cell: Json
    error: Estimate
    minus_reference: Estimate | None = None
    improves: Estimate | None = None
    """The probability that a run of it has less error than one of the reference."""
    best_control: str = ""
    """The script of the fair control with the least validation error."""
    minus_control: Estimate | None = None
    chance: float = 1.0
    """Of so large a difference to the reference by chance: after Holm, over agents and tasks;"""
    chance_of_looking: float = 1.0
    """and of one to the best control."""
    verdict: str = ""
    looking: str = ""

    @property
    def falling(self) -> bool:
        """Whether its validation error still fell when its training ended."""
        told = last_quarter(run["curve"] for run in self.cell["runs"])
        return told is not None and told.falling


def by_key(found: Json) -> Cells:
    """The cells that have runs."""
    return {
        (cell["task"], cell["agent"], cell["script"]): cell
        for cell in found["cells"]
        if cell["runs"]
    }


def standings(found: Json) -> list[Standing]:
    """All that was run, task by task, the least error first."""
    cells = by_key(found)
    stand = [_standing(key, cell, cells) for key, cell in cells.items()]
    judged = found["protocol"] == "full"
    asked = [at for at, one in enumerate(stand) if not one.cell["script"]]
    versus = holm([_chance(stand[at].cell, _reference(stand[at].cell, cells)) for at in asked])
    looking = holm([_chance(stand[at].cell, _control(stand[at].cell, cells)) for at in asked])
    for at, one, other in zip(asked, versus, looking, strict=True):
        stand[at] = _judged(replace(stand[at], chance=one, chance_of_looking=other), judged)
    order = list(found["tasks"])
    return sorted(stand, key=lambda one: (order.index(one.cell["task"]), one.error.point))


def _standing(key: tuple[str, str, str], cell: Json, cells: Cells) -> Standing:
    error = _points(two_way_interval(100 * answers(cell, seeds_of(cell))), 0.0)
    if key[2]:
        return Standing(cell, error)
    reference, control = _reference(cell, cells), _control(cell, cells)
    improves = None
    if reference is not None:
        theirs, mine = ([run["error"] for run in one["runs"]] for one in (reference, cell))
        improves = probability_of_improvement(theirs, mine)
    return Standing(
        cell,
        error,
        _minus(cell, reference),
        improves,
        "" if control is None else control["script"],
        _minus(cell, control),
    )


def _reference(cell: Json, cells: Cells) -> Json | None:
    other = cells.get((cell["task"], REFERENCE, ""))
    return None if other is cell else other


def _control(cell: Json, cells: Cells) -> Json | None:
    """The best of the fair ones, by validation: a choice by test images would favour it.

    Show, attend and tell is one network, soft and hard, and its controls stand with the hard one.
    """
    agent = {"sat-soft": "sat-hard"}.get(cell["agent"], cell["agent"])
    there = [cells[key] for script in FAIR if (key := (cell["task"], agent, script)) in cells]

    def validated(one: Json) -> float:
        return float(np.mean([min(error for _, error in run["curve"]) for run in one["runs"]]))

    return min(there, key=validated, default=None)


def _both(one: Json, other: Json) -> tuple[np.ndarray, np.ndarray] | None:
    """Answers of both at the seeds that both have, in points."""
    seeds = sorted(set(seeds_of(one)) & set(seeds_of(other)))
    return (100 * answers(one, seeds), 100 * answers(other, seeds)) if seeds else None


def _minus(cell: Json, other: Json | None) -> Estimate | None:
    pair = None if other is None else _both(cell, other)
    return None if pair is None else _points(two_way_difference(*pair), -100.0)


def _chance(cell: Json, other: Json | None) -> float:
    pair = None if other is None else _both(cell, other)
    return 1.0 if pair is None or len(pair[0]) < LEAST_SEEDS else two_way_chance(*pair)


def _points(found: Estimate, least: float) -> Estimate:
    return within(least, 100.0, found)


def _judged(one: Standing, judged: bool) -> Standing:
    """With verdicts, where there are enough seeds."""
    if not judged or len(one.cell["runs"]) < LEAST_SEEDS:
        return one
    verdict = _said(one.minus_reference, one.chance)
    return replace(one, verdict=verdict, looking=_said(one.minus_control, one.chance_of_looking))


def _said(gap: Estimate | None, chance: float) -> str:
    if gap is None:
        return ""
    if chance >= LEVEL:
        return "cannot be told"
    return "less error" if gap.point < 0 else "more error"


def budgets(found: Json, task: str) -> dict[str, float]:
    """By axis the most that every agent of a task that was run has spent: equal for all."""
    cells = [cell for cell in by_key(found).values() if cell["task"] == task and not cell["script"]]
    return {
        axis: min(spending(cell, run, axis)[-1][0] for cell in cells for run in cell["runs"])
        for axis in (AXES if cells else ())
    }


def at_equal(cell: Json, axis: str, budget: float, chance: float) -> Estimate:
    """The validation error, in points, of what a cell's runs had at a budget, over seeds.

    One that was not validated by then counts as a guess.
    """
    errors = [at_budget(spending(cell, run, axis), budget, chance) for run in cell["runs"]]
    return _points(bootstrap_interval([100 * float(error or 0.0) for error in errors]), 0.0)


def profiles(found: Json, levels: Sequence[float] = LEVELS) -> dict[str, list[float]]:
    """By agent the share of its runs with at most these errors, of agents run on every task that
    anyone was run on.
    """
    cells = {key: cell for key, cell in by_key(found).items() if not key[2]}
    tasks = sorted({task for task, _, _ in cells})
    told: dict[str, list[float]] = {}
    for agent in dict.fromkeys(agent for _, agent, _ in cells):
        there = [cells.get((task, agent, "")) for task in tasks]
        errors: list[Any] = [[run["error"] for run in one["runs"]] for one in there if one]
        if len(errors) == len(tasks):
            told[agent] = performance_profile(errors, levels)
    return told


def improvement(found: Json) -> dict[str, Estimate]:
    """By agent the probability that a run of it beats one of the reference, over all tasks.

    Of agents that have as many seeds on each task that the reference was run on as on the others.
    """
    cells = {key: cell for key, cell in by_key(found).items() if not key[2]}
    tasks = sorted(task for task, agent, _ in cells if agent == REFERENCE)
    told: dict[str, Estimate] = {}
    for agent in dict.fromkeys(agent for _, agent, _ in cells if agent != REFERENCE):
        there = [cells.get((task, agent, "")) for task in tasks]
        if not tasks or not all(there):
            continue
        count = min(len(one["runs"]) for one in there if one)
        mine = [[run["error"] for run in one["runs"][:count]] for one in there if one]
        least = min(len(cells[task, REFERENCE, ""]["runs"]) for task in tasks)
        theirs = [
            [run["error"] for run in cells[task, REFERENCE, ""]["runs"][:least]] for task in tasks
        ]
        told[agent] = probability_of_improvement(theirs, mine)
    return told
