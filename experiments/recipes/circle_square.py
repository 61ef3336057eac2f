"""Recipes for worlds in which looking is acting: CircleSquare, where a look goes no further than
the next place, and Catch, where it is half of what is done.
"""

from dataclasses import replace
from typing import Any

from ..agents import MoveRam, Player, Ram
from ..recipe import Learning, Problem, Recipe

CIRCLE_SQUARE = Recipe(
    title="",
    about=(
        "CircleSquare (ap_gym): is the one small shape on a field that only hints at where it is a "
        "circle or a square? Sixteen looks of 5x5, each at most 0.2 from the last; 1 million looks "
        "in training. Error is that of the last answer."
    ),
    problem=Problem(
        scene="circle_square",
        sensor="crop",
        size=5,
        cover=5 / 28,
        looks=16,
        reach=0.2,
        test_draws=8,
    ),
    learning=Learning(
        images=62_464, batch=64, warmup=50, clip=1.0, validate_every=3_125, keep="last"
    ),
)
MOVING = MoveRam(core="gru", hidden=128, joint=True, std=0.3)
MOVES = "RAM that says how far to move and sees contrast, by"


def _circle_square(title: str, about: str, agent: Any, **learning: Any) -> Recipe:
    return replace(
        CIRCLE_SQUARE,
        title=title,
        about=f"{about} {CIRCLE_SQUARE.about}",
        agent=agent,
        learning=replace(CIRCLE_SQUARE.learning, **learning),
    )


WIDELY: dict[str, Any] = {"batch": 128, "lr": 3e-3}
ACTIVE: dict[str, Recipe] = {
    "pathwise-circle-square": _circle_square(
        "RAM that moves, pathwise",
        "RAM that says how far to move and sees contrast. The gradient runs through the glimpses "
        "and back along the path.",
        replace(MOVING, std=0.1),
        estimator="pathwise",
    ),
    "gain-circle-square": _circle_square(
        "RAM that moves, per-look gain",
        f"{MOVES} REINFORCE, each look paid for what it adds to the belief.",
        replace(MOVING, std=0.2),
        estimator="per_look_gain",
        discount=0.9,
    ),
    "a2c-circle-square": _circle_square(
        "RAM that moves, A2C", f"{MOVES} A2C.", MOVING, estimator="a2c", **WIDELY
    ),
    "ppo-circle-square": _circle_square(
        "RAM that moves, PPO",
        f"{MOVES} PPO.",
        MOVING,
        estimator="ppo",
        epochs=3,
        batch=256,
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
        replace(MOVING, joint=False),
        **WIDELY,
    ),
    "reinforce-narrow-circle-square": _circle_square(
        "RAM that moves, narrow draws",
        f"{MOVES} REINFORCE, whose looks are drawn from half as wide as they may go.",
        replace(MOVING, std=0.1),
        **WIDELY,
    ),
    "ram-circle-square": _circle_square(
        "RAM, learned baseline",
        "RAM (Mnih et al. 2014), which says where in the image to look and sees brightness.",
        Ram(core="gru", hidden=128, joint=True, std=0.3),
        **WIDELY,
    ),
    "random-circle-square": _circle_square(
        "random looks",
        "The observer of RAM that moves, trained for looks that set out for anywhere.",
        replace(MOVING, script="random"),
        **WIDELY,
    ),
    "player-catch": Recipe(
        title="RAM that plays",
        about=(
            "Catch (Mnih et al. 2014): a ball falls over a screen of 24x24; looks of 6x6, 3 "
            "scales. RAM by PPO, paid 1 for a ball that was caught. Error is the share of those "
            "that were not; the paper's agent has about 15 %."
        ),
        problem=Problem(scene="catch", sensor="retina", size=6, scales=3, looks=24, test_draws=8),
        agent=Player(core="gru", hidden=128, what=64, where=32, std=0.15),
        learning=Learning(
            estimator="ppo",
            entropy=0.003,
            epochs=3,
            images=400_000,
            lr=2e-3,
            warmup=50,
            clip=1.0,
            validate_every=25_000,
            keep="last",
        ),
    ),
}
ACTIVE["random-catch"] = replace(
    ACTIVE["player-catch"],
    title="random looks, RAM that plays",
    about=(
        "RAM that plays as it learns to, but looks anywhere. "
        f"{ACTIVE['player-catch'].about.split('. RAM')[0]}."
    ),
    agent=replace(ACTIVE["player-catch"].agent, script="random"),
)
