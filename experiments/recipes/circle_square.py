"""Recipes for CircleSquare, where a look goes no further than the next place."""

from dataclasses import replace
from typing import Any

from hardattn.training.options import TrainOptions

from ..kinds import Settings
from ..recipe import ProblemOptions, Recipe, Spec
from .family import DESCENT, PUBLISHED, REWARDED

CIRCLE_SQUARE = Recipe(
    title="",
    about=(
        "CircleSquare (ap_gym): is the one small shape on a field that only hints at where it is a "
        "circle or a square? Sixteen looks of 5x5, each at most 0.2 from the last; 1 million looks "
        "in training. Error is that of the last answer."
    ),
    problem=ProblemOptions(
        scene=Spec("circle_square"),
        sensor=Spec("crop", size=5, cover=5 / 28),
        looks=16,
        reach=0.2,
        test_draws=8,
    ),
    training=TrainOptions(
        images=62_464,
        batch_size=64,
        warmup=50,
        max_grad_norm=1.0,
        validate_every=3_125,
        keep="last",
    ),
)
LEARNED = Spec("learned_baseline")
MOVING = Spec("move_ram", core="gru", hidden=128, joint=True, std=0.3)
MOVES = "RAM that says how far to move and sees contrast, by"


def _circle_square(
    title: str,
    about: str,
    agent: Spec,
    estimator: Spec = LEARNED,
    **training: Any,
) -> Recipe:
    return replace(
        CIRCLE_SQUARE,
        title=title,
        about=f"{about} {CIRCLE_SQUARE.about}",
        agent=agent,
        estimator=estimator,
        training=replace(CIRCLE_SQUARE.training, **training),
    )


WIDELY: Settings = {"batch_size": 128, "lr": 3e-3}
CIRCLE_SQUARE_RECIPES: dict[str, Recipe] = {
    "pathwise-circle-square": _circle_square(
        "RAM that moves, pathwise",
        "RAM that says how far to move and sees contrast. The gradient runs through the glimpses "
        "and back along the path.",
        MOVING.but(std=0.1),
        estimator=Spec("pathwise"),
    ),
    "per-look-gain-circle-square": _circle_square(
        "RAM that moves, per-look gain",
        f"{MOVES} REINFORCE, each look paid for what it adds to the belief.",
        MOVING.but(std=0.2),
        estimator=Spec("per_look_gain", discount=0.9),
    ),
    "a2c-circle-square": _circle_square(
        "RAM that moves, A2C", f"{MOVES} A2C.", MOVING, estimator=Spec("a2c"), **WIDELY
    ),
    "ppo-circle-square": _circle_square(
        "RAM that moves, PPO",
        f"{MOVES} PPO.",
        MOVING,
        estimator=Spec("ppo", update_epochs=3),
        batch_size=256,
        lr=3e-3,
    ),
    "reinforce-circle-square": _circle_square(
        "RAM that moves, learned baseline",
        f"{MOVES} REINFORCE with a learned baseline.",
        MOVING,
        **WIDELY,
    ),
    "reinforce-apart-circle-square": _circle_square(
        "RAM that moves, core apart",
        f"{MOVES} REINFORCE, which trains the locator alone, as in RAM.",
        MOVING.but(joint=False),
        **WIDELY,
    ),
    "reinforce-narrow-circle-square": _circle_square(
        "RAM that moves, narrow draws",
        f"{MOVES} REINFORCE, whose looks are drawn from half as wide as they may go.",
        MOVING.but(std=0.1),
        **WIDELY,
    ),
    "ram-circle-square": _circle_square(
        "RAM, learned baseline",
        "RAM (Mnih et al. 2014), which says where in the image to look and sees brightness.",
        Spec("ram", core="gru", hidden=128, joint=True, std=0.3),
        **WIDELY,
    ),
    "ram-published-circle-square": replace(
        _circle_square(
            "RAM, as published",
            PUBLISHED,
            Spec("ram", orthogonal=True, std=0.3),
            estimator=REWARDED,
            **{**DESCENT, "max_grad_norm": CIRCLE_SQUARE.training.max_grad_norm},
        ),
        problem=replace(CIRCLE_SQUARE.problem, each=False, bonus=1.0),
    ),
    "random-circle-square": _circle_square(
        "random looks",
        "The observer of RAM that moves, trained for looks that set out for anywhere.",
        MOVING.but(script="random"),
        **WIDELY,
    ),
    "centre-circle-square": _circle_square(
        "centre look",
        "The observer of RAM that moves, trained for looks that set out for the centre.",
        MOVING.but(script="centre"),
        **WIDELY,
    ),
    "raster-circle-square": _circle_square(
        "raster looks",
        "The observer of RAM that moves, trained for looks that set out for one cell of a grid "
        "after another, line by line.",
        MOVING.but(script="raster"),
        **WIDELY,
    ),
    "oracle-circle-square": replace(
        _circle_square(
            "oracle look",
            "The observer of RAM that moves, trained for looks that all fall on the shape.",
            MOVING.but(script="oracle"),
            **WIDELY,
        ),
        problem=replace(CIRCLE_SQUARE.problem, first="target", context="target"),
    ),
}
