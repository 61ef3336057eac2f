"""Two figures: error against pixels read, and against training FLOPs; of a report's runs, too."""

from collections.abc import Sequence
from typing import NamedTuple

from hardattn.report.controls import script
from hardattn.report.page.theme import GREYS, PALETTE
from hardattn.report.render.print import Curves, Figure, Series
from hardattn.report.rows import percent_over_seeds
from hardattn.report.runs import Group, Run
from hardattn.statistics.intervals import Estimate

from ...kinds import Json
from ..series import MARKERS
from .cells import AGENTS
from .compare import by_key
from .results import spending

PIXELS = "hard-or-soft-pixels"
TRAINING = "hard-or-soft-training"
GIGA = 1e9
READ, TRAINED = "pixels read of an image", "training, GFLOP"
ERROR, VALIDATION = "test error, % (log scale)", "validation error, % (log scale)"


class Line(NamedTuple):
    """What is drawn of a seed: x and the error there, a share."""

    points: list[tuple[float, float]]


def figures(found: Json, command: str) -> list[Figure]:
    """Both, with a panel for each task that anyone was run on; none where nobody was."""
    cells = {key: cell for key, cell in by_key(found).items() if not key[2]}
    tasks = [task for task in found["tasks"] if any(key[0] == task for key in cells)]
    names = list(dict.fromkeys(cell["agent"] for cell in found["cells"] if not cell["script"]))
    read, trained = [], []
    for task in tasks:
        here = [cells[task, name, ""] for name in names if (task, name, "") in cells]
        looks = [_series(cell, names, [_by_look(run) for run in cell["runs"]]) for cell in here]
        curves = [
            _series(cell, names, [_by_flops(cell, run) for run in cell["runs"]]) for cell in here
        ]
        read.append(Curves(READ, f"{task}: {ERROR}", tuple(looks), log_x=True))
        trained.append(Curves(TRAINED, f"{task}: {VALIDATION}", tuple(curves), log_x=True))
    if not tasks:
        return []
    scenes = "; ".join(found["tasks"][task]["scenes"] for task in tasks)
    return [
        Figure(PIXELS, scenes, "Error against pixels read", tuple(read), _said(READING), command),
        Figure(
            TRAINING, scenes, "Error against training", tuple(trained), _said(LEARNING), command
        ),
    ]


READING = (
    "Test error had an agent stopped after each of its looks, against the pixels that it was shown "
    "by then; who sees everything at once has one point."
)
LEARNING = (
    "Validation error in the course of training, against the floating-point operations of all "
    "updates so far, counted and not timed."
)
MARKED = "Lines are means over training seeds, thin lines the seeds, bands 95 % intervals."


def _said(reading: str) -> str:
    return (
        f"{reading} {MARKED} Grey are those that see everything at once. All agents of a task have "
        "as many weights, within a tenth."
    )


def _by_look(run: Json) -> Line:
    return Line([*zip(run["pixels_after"], run["error_after"], strict=True)])


def _by_flops(cell: Json, run: Json) -> Line:
    return Line([(spent / GIGA, error) for spent, error in spending(cell, run, "flops")])


def _series(cell: Json, names: Sequence[str], lines: Sequence[Line]) -> Series:
    return _drawn(cell["title"], *style_of(cell["agent"], names), lines)


def style_of(agent: str, names: Sequence[str]) -> tuple[str, str]:
    """Its colour and marker: who chooses looks has a colour, who sees all at once is grey."""
    looks = agent in AGENTS and AGENTS[agent].looks
    alike = [name for name in names if (name in AGENTS and AGENTS[name].looks) == looks]
    at, colours = alike.index(agent), PALETTE if looks else GREYS
    return colours[at % len(colours)], MARKERS[at % len(MARKERS)]


def _drawn(label: str, colour: str, marker: str, lines: Sequence[Line]) -> Series:
    """The mean over seeds wherever all of them have a point."""
    by_seed = [dict(line.points) for line in lines]
    shared = sorted(set.intersection(*map(set, by_seed)))
    rows = [[seed[x] for x in shared] for seed in by_seed]
    mean: list[Estimate] = [percent_over_seeds(values) for values in zip(*rows, strict=True)]
    percent = tuple(tuple(100 * error for error in row) for row in rows)
    return Series(label, colour, marker, tuple(shared), tuple(mean), percent)


def of_groups(groups: Sequence[Group], command: str) -> list[Figure]:
    """The same of runs of a report: on each set of scenes, where who chooses looks stands beside
    who sees everything at once, and both say what training cost.
    """
    drawn = []
    for scenes in sorted({group.scenes for group in groups}):
        here = [one for one in groups if one.scenes == scenes and _flops_of(one)]
        whole = [one for one in here if one.first.world["looks"] == 1]
        hard = [one for one in here if one.first.world["looks"] > 1 and not script(one.first)]
        if not (whole and hard):
            continue
        read, trained = [], []
        for number, group in enumerate(here):
            colour = GREYS[number % len(GREYS)] if script(group.first) else PALETTE[number % 8]
            style = (group.first.title, colour, MARKERS[number % len(MARKERS)])
            read.append(_drawn(*style, [_looks_of(group, run) for run in group.runs]))
            trained.append(_drawn(*style, [_curve_of(group, run) for run in group.runs]))
        panels = (
            Curves(READ, ERROR, tuple(read), log_x=True),
            Curves(TRAINED, VALIDATION, tuple(trained), log_x=True),
        )
        said = f"{READING} {LEARNING} {MARKED}"
        drawn.append(Figure("hard-or-soft", scenes, "Hard or soft", panels, said, command))
    return drawn


def _flops_of(group: Group) -> float:
    """What training with one image costs, where all seeds say so; else 0."""
    found = [float(run.result.cost.get("training_flops") or 0.0) for run in group.runs]
    return found[0] if all(found) else 0.0


def _looks_of(group: Group, run: Run) -> Line:
    errors = run.result.greedy["error_after"]
    return Line([*zip(run.result.cost["pixels_after"], errors, strict=True)])


def _curve_of(group: Group, run: Run) -> Line:
    each = _flops_of(group) / GIGA
    return Line([(each * seen, error) for seen, error in run.result.training["curve"]])
