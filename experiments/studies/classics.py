"""The benchmarks by which the field knows RAM: ours beside what was published.

The published numbers are data, with their sources. Ours are committed results, and a cell that none
is committed of says so.
"""

from collections.abc import Sequence
from math import isclose
from pathlib import Path
from typing import NamedTuple

from hardattn.report.column import estimate_text
from hardattn.report.costs import over_trainings
from hardattn.report.policy_gain import RETRAINED, Gain
from hardattn.report.render.grid import heading, row_of
from hardattn.report.rows import percent_over_seeds
from hardattn.report.runs import Group, read
from hardattn.report.strongest import BEST_PATH, control_of, same_trainings
from hardattn.statistics.intervals import bootstrap_interval, within

from ..recipes import RECIPES
from ..records.ledger import entries
from .policy_gain.tables import measured

NOT_RUN = "not run"
LENGTH = ("looks", "images", "validate_every", "test_draws")  # settings a cell may set of a recipe


class Cell(NamedTuple):
    """One number that the field compares, by how many looks. Errors in percent, of test images."""

    looks: int
    paper: str  # what the paper has
    replicated: str = ""  # the best replication that we know
    goal: float | None = None


class Task(NamedTuple):
    """Scenes, and the recipes of ours on them."""

    title: str
    suffix: str  # of recipes: ram-SUFFIX, raster-SUFFIX, ...
    cells: tuple[Cell, ...]
    best: tuple[str, ...]  # how recipes begin that may be the best
    published: tuple[str, ...]
    sources: str
    observer: str = ""  # whose scripts are its controls: random-OBSERVERpairs


MNIH = "Mnih et al. (2014), at NIPS"
OURS, PAPER = ("ram",), ("ram-published",)
TASKS = (
    Task(
        "MNIST 28x28, looks of 8x8, one scale",
        "mnist",
        (
            Cell(2, "3.79"),
            Cell(4, "1.54"),
            Cell(6, "1.12", "0.67 to 1.21", 0.8),
        ),
        OURS,
        PAPER,
        f"Paper: {MNIH}. Replications: kevinzakka/recurrent-visual-attention has 1.21, "
        "amasky/ram 1.13; the least is quoted without its source.",
    ),
    Task(
        "MNIST, translated on 60x60, looks of 12x12, three scales",
        "translated-60",
        (
            Cell(4, "1.54", "1.54"),
            Cell(6, "1.22", "1.08"),
            Cell(8, "1.20", "0.94", 0.9),
        ),
        OURS,
        PAPER,
        f"Paper: {MNIH}. Replication: slundqui/tfRAM.",
    ),
    Task(
        "MNIST, cluttered on 60x60, looks of 12x12, three scales",
        "cluttered-60",
        (
            Cell(4, "4.96", "5.15"),
            Cell(6, "4.08", "3.33"),
            Cell(8, "4.04", "2.13", 2.0),
        ),
        OURS,
        PAPER,
        f"Paper: {MNIH}. Replications: slundqui/tfRAM with 4 and 6 looks, one in PyTorch with 8; "
        "others have up to 14.5.",
    ),
    Task(
        "MNIST, cluttered on 100x100, looks of 12x12, four scales",
        "cluttered-100",
        (
            Cell(4, "9.41", "14.86"),
            Cell(6, "8.31", "8.3"),
            Cell(8, "8.11", "2.68 (ten passes averaged)", 2.7),
        ),
        OURS,
        PAPER,
        f"Paper: {MNIH}. Replications: slundqui/tfRAM with 4 and 6 looks, PrincipalComponent/ram "
        "with 8.",
    ),
    Task(
        "Two digits of MNIST on 100x100, 55 answers: RAM",
        "pairs",
        (Cell(5, "9", "", 7.0),),
        OURS,
        PAPER,
        "Paper: Ba et al. (2015), of RAM with four looks.",
    ),
    Task(
        "Two digits of MNIST on 100x100, 55 answers: DRAM",
        "pairs",
        (Cell(5, "5", "", 4.0),),
        ("dram", "dram-blind"),
        (),
        "Paper: Ba et al. (2015), with four looks; without a context 7.",
        observer="dram-",
    ),
    Task(
        "Fashion-MNIST 28x28, looks of 8x8, one scale",
        "fashion",
        (Cell(12, "8.2", "", 7.0),),
        ("ram", "mram"),
        PAPER,
        "Paper: Pan et al. (2025), of MRAM.",
    ),
)
FIXED, TRANSFORMER = BEST_PATH.removeprefix("the "), "spatial transformer"
# Those beside them, and of which recipes.
BESIDE = {
    "random": "random",
    "centre": "centre",
    "raster": "raster",
    FIXED: "",
    "oracle": "oracle",
    "DRAW reader": "draw",
    "conv net of 2014": "conv-2014",
    "CNN": "cnn",
    TRANSFORMER: "",
}
SCRIPTED = ("random", "centre", "raster", "oracle")
HEADS = (
    *("looks", "row", "recipe", "seeds", "error %", "paper", "replicated", "goal", "reached"),
    *("minus the strongest control", "which", "CPU s", "images"),
)
LEFT = ("row", "recipe", "which")


class Committed(NamedTuple):
    """All that is committed."""

    groups: tuple[Group, ...]
    gains: dict[str, Gain]
    failed: dict[str, int]  # seeds, by the name of the run


def markdown(results: Path) -> str:
    """Every task, cell by cell: ours beside the published, and the controls beside ours."""
    groups = tuple(read([results])) if any(results.glob("*.json")) else ()
    failed = dict[str, int]()
    for one in entries(results):
        failed[one.name] = failed.get(one.name, 0) + (one.state == "failed")
    known = Committed(groups, measured(results), failed)
    told = dict[str, str]()
    return "\n\n".join(_part(task, known, told) for task in TASKS) + "\n"


def _part(task: Task, known: Committed, told: dict[str, str]) -> str:
    lines = [f"## {task.title}", "", *heading(HEADS, LEFT)]
    shown, commands = [], []
    for cell in task.cells:
        for row, names in (("published", task.published), ("best", task.best)):
            recipes = [f"{name}-{task.suffix}" for name in names]
            found = [(recipe, _of(recipe, cell, known)) for recipe in recipes]
            ours = [pair for pair in found if pair[1]] or found[:1]
            for recipe, group in ours:
                lines.append(_line(row, recipe, group, cell, known))
                shown.append(recipe)
                if group is not None:
                    commands.append(group)
    heads = ["looks", *BESIDE]
    lines += ["", "Beside them, on the same scenes, error %:", "", *heading(heads, ())]
    for cell in task.cells:
        beside = [_beside(name, task, cell, known) for name in BESIDE]
        lines.append(row_of((str(cell.looks), *beside)))
    lines += ["", *(f"- {one}" for one in _departures(shown, told)), f"- {task.sources}"]
    lines += [
        f"- `{_command(group)}`, seeds {', '.join(map(str, group.seeds))}" for group in commands
    ]
    return "\n".join(lines)


def _of(recipe: str, cell: Cell, known: Committed) -> Group | None:
    """The committed results of a recipe with that many looks; of several the longest training."""
    found = [
        group
        for group in known.groups
        if group.first.origin.get("recipe") == recipe
        and (group.first.world["sensor"] == "whole" or group.first.world["looks"] == cell.looks)
        and set(group.first.origin.get("overrides") or {}) <= set(LENGTH)
    ]
    return max(found, key=lambda group: group.first.training["images"], default=None)


def _at_most(error: float, goal: float) -> bool:
    """Also where both are alike: 80 errors in 10,000 are 0.8 % but for the last bit."""
    return error < goal or isclose(error, goal)


def _line(row: str, recipe: str, group: Group | None, cell: Cell, known: Committed) -> str:
    goal = "–" if cell.goal is None else f"{cell.goal:g}"
    known_to_all = [cell.paper, cell.replicated or "–", goal]
    if group is None:
        failed = known.failed.get(_named(recipe, cell), 0)
        seeds = f"0 ({failed} failed)" if failed else "–"
        cells = [str(cell.looks), row, f"`{recipe}`", seeds, NOT_RUN, *known_to_all, *["–"] * 5]
        return row_of(cells)
    here = [one for one in known.groups if one.scenes == group.scenes]
    control = control_of(group, here, known.gains.get(group.name))
    errors = [run.result.greedy["error"] for run in group.runs]
    error = percent_over_seeds(errors)
    failed = known.failed.get(group.name, 0)
    seconds = over_trainings(group, lambda spent, _: spent)
    reached = "–" if cell.goal is None else "yes" if _at_most(error.point, cell.goal) else "no"
    cells = [
        str(cell.looks),
        row,
        f"`{recipe}`",
        f"{len(errors)}{f' ({failed} failed)' if failed else ''}",
        f"**{estimate_text(error, 2)}**",
        *known_to_all,
        reached,
        "–" if control is None else estimate_text(control.difference, 2, sign=True),
        "–" if control is None else f"`{control.name}`" if control.group else control.name,
        "–" if seconds is None else f"{seconds.point:,.0f}",
        f"{group.first.training['images']:,}",
    ]
    return row_of(cells)


def _named(recipe: str, cell: Cell) -> str:
    """What a run of the recipe with that many looks is called."""
    own = RECIPES[recipe].problem.looks if recipe in RECIPES else cell.looks
    return recipe if own == cell.looks else f"{recipe},looks={cell.looks}"


def _beside(head: str, task: Task, cell: Cell, known: Committed) -> str:
    if head == FIXED:
        return _best_path(task, cell, known)
    if head == TRANSFORMER:
        group = _transformer(task, known)
    else:
        of = task.observer if head in SCRIPTED else ""
        recipe = f"{BESIDE[head]}-{of}{task.suffix}"
        if recipe not in RECIPES:
            return "–"
        group = _of(recipe, cell, known)
    if group is None:
        return NOT_RUN
    found = percent_over_seeds([run.result.greedy["error"] for run in group.runs])
    return estimate_text(found, 2)


def _transformer(task: Task, known: Committed) -> Group | None:
    """A network with that block on the very scenes."""
    scenes = RECIPES[f"{task.best[0]}-{task.suffix}"].problem.scenes()
    found = [
        group
        for group in known.groups
        if group.scenes == scenes
        and str(group.first.recipe.get("block", "")).startswith("spatial_transformer")
    ]
    return max(found, key=lambda group: group.first.training["images"], default=None)


def _best_path(task: Task, cell: Cell, known: Committed) -> str:
    """The error of the observer retrained for the best fixed path of the first of ours."""
    for name in task.best:
        group = _of(f"{name}-{task.suffix}", cell, known)
        gain = known.gains.get(group.name) if group is not None else None
        if group is None or gain is None or not same_trainings(group, gain):
            continue
        again = [one.get(RETRAINED) or {} for one in gain.found]
        if all("error" in one for one in again):
            errors = [100.0 * one["error"] for one in again]
            return estimate_text(within(0.0, 100.0, bootstrap_interval(errors)), 2)
    return NOT_RUN


def _departures(recipes: Sequence[str], told: dict[str, str]) -> list[str]:
    """What each recipe departs from its paper in; in full where it is said first.

    told: by whom it was said.
    """
    lines = []
    for name in dict.fromkeys(recipes):
        head, found, rest = RECIPES[name].about.partition("Departs from the paper:")
        if not found:
            lines.append(f"`{name}`: {RECIPES[name].about}")
            continue
        said, _, last = rest.partition(". ")
        more = f" {last.partition('. ')[0]}." if last.startswith("For a tenth") else ""
        if said in told:
            lines.append(f"`{name}` departs from the paper as `{told[said]}` does.{more}")
        else:
            lines.append(f"`{name}`: {head}Departs from the paper:{said}.{more}")
        told.setdefault(said, name)
    return lines


def _command(group: Group) -> str:
    """Without its seed and its device."""
    words = group.first.command.split()
    for option in ("--seed", "--device"):
        if option in words:
            at = words.index(option)
            words = words[:at] + words[at + 2 :]
    return " ".join([*words, "--seed", "SEED"])
