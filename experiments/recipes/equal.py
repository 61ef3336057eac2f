"""Recipes of tasks on which hard and soft attention are compared: `hardattn hard-or-soft`.

Each task has every agent, and each of these a space of three options that a search may change. How
wide an agent is there, and how many images it has, is the comparison's to say.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from ..options.space import Range, Space
from ..recipe import ProblemOptions, Recipe, Spec
from .circle_square import CIRCLE_SQUARE, CIRCLE_SQUARE_RECIPES
from .cluttered import CLUTTERED_60, CLUTTERED_100, READING
from .digits import DIGITS, RAM
from .family import Family

RATE = Range("lr", 5e-4, 1e-2)
BATCH = Range("batch_size", among=(32, 64, 128))
SPREAD = Range("std", 0.08, 0.4)
DECAY = Range("weight_decay", 1e-7, 1e-3)
BY_SGD: Space = (Range("lr", 5e-3, 1e-1), BATCH, SPREAD)
DRAWING: Space = (RATE, BATCH, SPREAD)
SMOOTH: Space = (RATE, BATCH, DECAY)

SEARCH_DIGITS = Family(
    problem=replace(
        DIGITS.problem, scene=Spec("search", canvas=48, zoom=2, distractors=4), first="centre"
    ),
    scene=(
        "Five digits of as many classes, doubled to 16x16, in cells of a 48x48 canvas: in which of "
        "nine cells is the one that is asked for? Six looks of 6x6, 3 scales."
    ),
    ram=RAM,
    training=DIGITS.training,
    published=DIGITS.published,
)
CLUTTERED_1024 = Family(
    problem=replace(
        DIGITS.problem,
        scene=Spec("cluttered", canvas=1024, zoom=8, distractors=8, distractor_size=64),
        sensor=Spec("retina", size=12, scales=6),
        looks=8,
        test_draws=1,
    ),
    scene=(
        "Digits of 64x64 on a 1024x1024 canvas with eight pieces of clutter; eight looks of 12x12, "
        "6 scales."
    ),
    ram=RAM.but(filters=24, filter_stride=2, hidden=192),
    training=DIGITS.training,
    published=DIGITS.published,
)


class Task(NamedTuple):
    """What is looked at, and through what."""

    problem: ProblemOptions
    scene: str
    side: int
    """Rows and columns of cells, for agents that attend to cells."""
    size: int
    """Pixels a side of what a reader reads."""


TASKS: dict[str, Task] = {
    "cluttered-60": Task(CLUTTERED_60.problem, CLUTTERED_60.scene, 6, 12),
    "cluttered-100": Task(CLUTTERED_100.problem, CLUTTERED_100.scene, 10, 12),
    "circle-square": Task(CIRCLE_SQUARE.problem, CIRCLE_SQUARE.about, 7, 5),
    "search-digits": Task(SEARCH_DIGITS.problem, SEARCH_DIGITS.scene, 6, 6),
    "cluttered-1024": Task(CLUTTERED_1024.problem, CLUTTERED_1024.scene, 16, 12),
}


def _made(task: Task, title: str, about: str, agent: Spec, by: str, space: Space) -> Recipe:
    training = replace(CIRCLE_SQUARE.training, images=200_000, validate_every=10_000, keep="best")
    return Recipe(
        title=title,
        about=f"{about} {task.scene}",
        problem=task.problem,
        agent=agent,
        estimator=Spec(by),
        training=replace(training, lr=2e-3),
        space=space,
    )


def _looking(task: Task) -> dict[str, Recipe]:
    """Those that look through a window, but for RAM."""
    told = replace(task.problem, context="coarse")
    dram = _made(
        task,
        "DRAM",
        "DRAM (Ba et al. 2015): two layers, and a context net that the classifier cannot read.",
        Spec("dram", std=0.2, balance=0.03, filters=8, features=64),
        "learned_baseline",
        DRAWING,
    )
    glance = _made(
        task,
        "glance and focus",
        "GFNet (Wang et al. 2020): a coarse glance, then crops, paid for what each adds.",
        Spec("glance_focus"),
        "per_look_gain",
        DRAWING,
    )
    reader = _made(
        task,
        "DRAW reader",
        "DRAW's filterbank reader as a classifier (Gregor et al. 2015), by backpropagation.",
        Spec("draw", hidden=128),
        "pathwise",
        SMOOTH,
    )
    filters = Spec("filterbank", size=task.size)
    return {
        "dram": replace(dram, problem=told),
        "glance-focus": replace(glance, problem=told),
        "draw": replace(reader, problem=replace(task.problem, sensor=filters, reach=None)),
    }


def _attending(task: Task) -> dict[str, Recipe]:
    """Those that attend to cells of features, and those that see everything at once."""
    cells = replace(
        task.problem,
        sensor=Spec("cells", rows=task.side, columns=task.side),
        context="whole",
        reach=None,
        each=False,
    )
    soft = replace(cells, draw="soft")
    whole = replace(
        task.problem, sensor=Spec("whole"), looks=1, first="centre", reach=None, each=True
    )
    tell, xu = Spec("show_attend_tell"), "Show, attend and tell (Xu et al. 2015)"
    hard = _made(
        task,
        "show, attend and tell, hard",
        f"{xu}: one cell a look, half of the episodes at their expectation.",
        tell,
        "moving_average",
        SMOOTH,
    )
    mixed = _made(
        task,
        "show, attend and tell, soft",
        f"{xu}: the same network with soft attention, by backpropagation.",
        tell,
        "soft_attention",
        SMOOTH,
    )
    s3ta = _made(
        task,
        "S3TA",
        "S3TA (Zoran et al. 2020): the soft twin of RAM.",
        Spec("sequential", core="gru"),
        "soft_attention",
        SMOOTH,
    )
    at_once = _made(
        task,
        "soft attention",
        "A small residual CNN, or a ViT (--backbone), with blocks of soft attention where they "
        "belong, or with a head that attends (--block, --head).",
        Spec("soft", width=64),
        "learned_baseline",
        SMOOTH,
    )
    return {
        "sat-hard": replace(hard, problem=cells, estimator=Spec("moving_average", soft=0.5)),
        "sat-soft": replace(mixed, problem=soft),
        "s3ta": replace(s3ta, problem=soft),
        "soft": replace(at_once, problem=whole),
    }


def _searched(recipes: Mapping[str, Recipe]) -> dict[str, Recipe]:
    """The same with a space, where these are of RAM, whose looks are drawn."""
    spaces = {"ram-published": BY_SGD, "ram": DRAWING}
    return {
        name: replace(
            recipe, space=next(s for begin, s in spaces.items() if name.startswith(begin))
        )
        for name, recipe in recipes.items()
    }


def _rams(family: Family, suffix: str) -> dict[str, Recipe]:
    kept = (f"ram-{suffix}", f"ram-published-{suffix}")
    return {name: one for name, one in family.members(suffix).items() if name in kept}


# Of RAM, as well as we can, and as it was published; these have other names on CircleSquare.
BEST_OF_SQUARES = "per-look-gain-circle-square"
_SQUARES = {
    name: CIRCLE_SQUARE_RECIPES[name] for name in (BEST_OF_SQUARES, "ram-published-circle-square")
}
EQUAL: dict[str, Recipe] = {
    **_searched(_rams(CLUTTERED_60, "cluttered-60")),
    **_searched(_rams(CLUTTERED_100, "cluttered-100")),
    **_searched(_rams(SEARCH_DIGITS, "search-digits")),
    **_searched(_rams(CLUTTERED_1024, "cluttered-1024")),
    BEST_OF_SQUARES: replace(_SQUARES[BEST_OF_SQUARES], space=DRAWING),
    "ram-published-circle-square": replace(_SQUARES["ram-published-circle-square"], space=BY_SGD),
    **{
        f"{name}-{suffix}": recipe
        for suffix, task in TASKS.items()
        for name, recipe in {**_looking(task), **_attending(task)}.items()
    },
    "draw-cluttered-60": replace(READING["draw-cluttered-60"], space=SMOOTH),
}
