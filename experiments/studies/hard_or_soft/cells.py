"""The cells of the comparison: who is trained on what, how wide, and with how many images.

On each task all agents have as many weights, within TOLERANCE, as one of their layers is made as
wide as that takes. A control is the network of an agent under somebody else's looks, with the
settings that were found for that agent.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from hardattn.agents.soft import placement
from hardattn.attention import BLOCKS

from ...command_line.parse import called
from ...kinds import Settings
from ...options.option import nearest
from ...recipe import Recipe, UsageError
from ...recipes import RECIPES
from ...recipes.equal import BEST_OF_SQUARES
from ...recipes.family import weighs
from ..soft.plan import changed
from ..soft.results import SAVED as SOFT, standings

TOLERANCE = 0.1
BEST_BLOCKS = 3  # of the comparison of all blocks
LEAST_SEEDS = 3  # that a block was trained with, to be one of the best
SCRIPTS = ("random", "raster", "path", "oracle")  # the controls; "path" has that of its agent
# Nothing is learned of where to look, so one estimator serves every control.
TAUGHT_TO_ANSWER = {"estimator": "reinforce", "draw": "greedy"}
NONE_IS_BEST = "the comparison of all blocks of soft attention is not committed, so none is best"
WIDEST = 2048  # units of a layer
VALIDATIONS = 8  # of a training
NO_BETTER = 0.05  # who is within this of the error of a guess has learned nothing that is compared


class Task(NamedTuple):
    """How much is trained on a task."""

    weights: int
    images: dict[str, int]
    """Of a training, by kind of agent; most are over in about a minute of one core."""
    chance: float
    """The error of an answer that is a guess."""
    share: float | None = None
    """Of the validation and test images that are measured on, where all of them would take who sees
    the whole longer than a training; None: all."""


TASKS = {
    "cluttered-60": Task(100_000, {"window": 160_000, "reader": 80_000, "whole": 16_000}, 0.9),
    "cluttered-100": Task(
        100_000, {"window": 160_000, "reader": 56_000, "whole": 10_000}, 0.9, share=0.2
    ),
    "circle-square": Task(100_000, {"window": 96_000, "reader": 40_000, "whole": 64_000}, 0.5),
    "search-digits": Task(100_000, {"window": 160_000, "reader": 80_000, "whole": 24_000}, 8 / 9),
    "cluttered-1024": Task(
        60_000, {"window": 10_000, "reader": 512, "whole": 256}, 0.9, share=0.01
    ),
}


class Who(NamedTuple):
    """An agent, or a control's."""

    title: str
    recipe: str
    """Of its family: with the task's name behind it, a row of RECIPES."""
    knob: str
    """The option that says how wide it is."""
    changes: Settings = {}
    kind: str = "window"
    """What an image costs it: through a window the same however large it is; a reader, and who
    attends to cells, reads all pixels once; who sees the whole works on all of them throughout."""

    @property
    def looks(self) -> bool:
        """Whether it looks where it chooses, so that a script could."""
        return self.kind != "whole"


AGENTS: dict[str, Who] = {
    "ram-published": Who("RAM, as published", "ram-published", "hidden", {"what": 64}),
    "ram": Who("RAM", "ram", "hidden", {"what": 48, "filters": 8, "filter_stride": 2}),
    "dram": Who("DRAM", "dram", "hidden", {"filters": 4, "features": 32}),
    "glance-focus": Who("glance and focus", "glance-focus", "hidden", {"features": 48}),
    "draw": Who("DRAW reader", "draw", "hidden", kind="reader"),
    "sat-hard": Who(
        "show, attend and tell, hard", "sat-hard", "hidden", {"features": 32}, "reader"
    ),
    "sat-soft": Who(
        "show, attend and tell, soft", "sat-soft", "hidden", {"features": 32}, "reader"
    ),
    "s3ta": Who("S3TA", "s3ta", "hidden", {"values": 24, "frequencies": 2}, "reader"),
    "vit": Who("ViT", "soft", "weights", {"backbone": "vit", "width": 48}, "whole"),
    "cnn": Who("CNN", "soft", "weights", {"width": 32}, "whole"),
}
# What is not an agent's own on a task: other names of recipes, other sizes.
ELSEWHERE = {("ram", "circle-square"): BEST_OF_SQUARES}
SIZES: dict[tuple[str, str], Settings] = {
    ("ram", "circle-square"): {"filters": None, "filter_stride": None},
    ("ram-published", "cluttered-1024"): {"what": 32},
    ("ram", "cluttered-1024"): {"what": 32},
    ("dram", "cluttered-1024"): {"features": 16},
    ("glance-focus", "cluttered-1024"): {"features": 32},
    ("vit", "cluttered-100"): {"images": 3_000},
    ("vit", "cluttered-1024"): {"backbone": "vit_32", "width": 24},
    ("cnn", "cluttered-1024"): {"width": 24},
}


@dataclass(frozen=True)
class Cell:
    """An agent, or a control, on a task."""

    task: str
    agent: str
    """Whose settings it has."""
    script: str = ""
    """Who looks, in a control."""
    title: str = ""
    recipe: str = ""
    changes: Settings = field(default_factory=dict)
    """Of that recipe, its width among them."""
    weights: int = 0
    flops: int = 0
    """Of one image in use,"""
    training_flops: int = 0
    """and in training."""
    pixels: int = 0
    work: float = 0.0
    """By which cells are sorted: what a training costs, with what measures it, and a price for all
    other numbers."""
    missing: str = ""
    """Why it cannot be trained yet, or at all."""

    @property
    def name(self) -> str:
        """As it is typed."""
        return f"{self.script and f'{self.script}-'}{self.agent}-{self.task}"

    @property
    def full_recipe(self) -> Recipe:
        """What is trained, before anything is searched."""
        return changed(RECIPES[self.recipe], self.changes)


def named(cell: Cell) -> tuple[str, Recipe]:
    """The name of its runs, and the recipe, as `hardattn train` has them."""
    return called(cell.recipe, RECIPES[cell.recipe], cell.full_recipe)


def learned(task: str, curve: Sequence[tuple[float, float]]) -> bool:
    """Whether a run of a task, of which these are the validations, did better than a guess.

    What looking is worth to an agent that answers no better than a guess needs no control.
    """
    return min((error for _, error in curve), default=1.0) < TASKS[task].chance - NO_BETTER


def given(soft: Path = SOFT) -> list[Cell]:
    """All cells, not measured yet: agents, then their controls, task by task."""
    whos = AGENTS | best_of_soft(soft)
    return [cell for task in TASKS for name, who in whos.items() for cell in _of(task, name, who)]


def best_of_soft(path: Path = SOFT) -> dict[str, Who]:
    """The blocks and the head with least error in the comparison of all of them, as committed.

    Where none is, they have a place, and no recipe.
    """
    places = {f"block-{n}": f"block no. {n} of soft attention" for n in range(1, BEST_BLOCKS + 1)}
    places["head-1"] = "best head of soft attention"
    found = {name: Who(title, "", "weights", {}, "whole") for name, title in places.items()}
    if not path.exists():
        return found
    stand = [
        one
        for one in standings(json.loads(path.read_text()))
        if len(one.row["seeds"]) >= LEAST_SEEDS
    ]
    for kind, names in (("block", [*places][:BEST_BLOCKS]), ("head", ["head-1"])):
        best = [one.row for one in stand if one.row["kind"] == kind]
        for name, row in zip(names, best, strict=False):
            title = f"CNN with {kind} {row['changes'][kind]}"
            changes = {"width": 32, **row["changes"]}
            found[name] = Who(title, "soft", _knob(row["changes"]), changes, "whole")
    return found


def _knob(changes: Settings) -> str:
    """A block in place of a convolution fixes how wide hidden layers are: then the whole net is."""
    block = changes.get("block")
    replaces = block is not None and placement(BLOCKS[block].make, 32) == "replacement"
    return "width" if replaces else "weights"


def _of(task: str, name: str, who: Who) -> Iterator[Cell]:
    """An agent on a task, and its controls."""
    if not who.recipe:
        yield Cell(task, name, title=who.title, missing=NONE_IS_BEST)
        return
    recipe = ELSEWHERE.get((name, task), f"{who.recipe}-{task}")
    changes: Settings = {"images": TASKS[task].images[who.kind], "keep": "best"} | who.changes
    changes |= SIZES.get((name, task), {}) | {"test_fraction": TASKS[task].share}
    images = changes["images"]
    changes = {key: value for key, value in changes.items() if value is not None}
    changes["validate_every"] = max(1, images // VALIDATIONS)
    cell = Cell(task, name, "", who.title, recipe, changes)
    yield cell
    # Soft and hard, the network of show, attend and tell has the same controls.
    for script in SCRIPTS if who.looks and name != "sat-soft" else ():
        more = dict(TAUGHT_TO_ANSWER)
        if weighs(RECIPES[recipe].estimator):
            del more["estimator"]
        if script != "path":
            more["script"] = script
        if script == "oracle":
            if RECIPES[recipe].problem.context != "none":
                continue  # an oracle is told the target in place of what this agent is told
            more |= {"first": "target", "context": "target"}
        title = f"{who.title}: {'fixed path' if script == 'path' else f'{script} looks'}"
        yield replace(cell, script=script, title=title, changes=changes | more)


def chosen(cells: list[Cell], names: tuple[str, ...]) -> list[Cell]:
    """Those of these names; all where none is given. Raises UsageError."""
    by_name = {cell.name: cell for cell in cells}
    for name in names:
        if name not in by_name:
            near = nearest(name, by_name)
            raise UsageError(f"no cell is called {name!r}: {near}; --list tells of all")
        if why := by_name[name].missing:
            raise UsageError(f"{name} cannot be trained: {why}")
    return [by_name[name] for name in names] if names else cells
