"""Recipes for an agent that filters proposals, and looks for parts among them."""

from dataclasses import replace
from typing import Any

from ..recipe import Recipe, Spec
from .cluttered import CLUTTERED_60
from .digits import DIGITS
from .family import Family
from .patches import LONG, ON_60, ON_DIGITS, SHORT, STEADY, controls

LEVELS = (
    "Two-level attention (Xiao et al. 2015): a trained net filters proposals, groups of its "
    "filters detect parts, and the answers of both levels are fused by a linear layer."
)


def levels(of: Family, sensor: Spec, base: int, **changes: Any) -> Recipe:
    """Two proposals of the object and two of its parts; updates in which the base learns."""
    count, side = sensor.options["count"], sensor.options["side"]
    cells = sensor.options["rows"] * sensor.options["columns"]
    scene = f"{of.what}; {count} patches of {side}x{side} out of {cells}, chosen from all of them."
    return replace(of, scene=scene).recipe(
        "two-level attention",
        LEVELS,
        Spec("two_level"),
        sensor=sensor,
        looks=2,
        context="whole",
        each=False,
        keep="last",
        estimator=Spec("base_first", base=base),
        **STEADY,
        **changes,
    )


def alone(of: str, recipe: Recipe, level: str, parts: int) -> Recipe:
    """One of the two levels, with as many patches."""
    return replace(
        recipe,
        title=f"{level} level alone, {recipe.title}",
        about=f"As {of}, but all of its patches are of the {level} level, which answers alone.",
        agent=recipe.agent.but(parts=parts),
    )


FILTERING: dict[str, Recipe] = {
    "two-level-digits": levels(DIGITS, ON_DIGITS, 500, **SHORT),
    "two-level-cluttered-60": levels(CLUTTERED_60, ON_60, 2500, **LONG),
}
DIGITS_ALONE = {"object": 0, "part": ON_DIGITS.options["count"]}
PROPOSING: dict[str, Recipe] = {
    **FILTERING,
    **controls(FILTERING),
    **{
        f"{level}-two-level-digits": alone(
            "two-level-digits", FILTERING["two-level-digits"], level, parts
        )
        for level, parts in DIGITS_ALONE.items()
    },
}
