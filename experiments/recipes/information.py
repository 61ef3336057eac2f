"""Recipes for agents that look where it tells them most, or that choose what they attend to."""

from dataclasses import replace

from ..recipe import Recipe, Spec
from .cluttered import CLUTTERED_60
from .digits import DIGITS
from .family import Family
from .patches import LONG, ON_60, ON_DIGITS, SHORT, at_random, choosing

CAPACITY = (
    "Dynamic capacity networks (Almahairi et al. 2016): fine features where the entropy of the "
    "coarse answer depends on them most, without reinforcement."
)


def fixed_patches(of: str, recipe: Recipe) -> Recipe:
    """The agent's observer, with as many patches, the same in every image."""
    random = at_random(of, recipe)
    return replace(
        random,
        title=f"fixed patches, {recipe.title}",
        about=f"The observer of {of}, with as many patches, those in the middle of every image.",
        agent=random.agent.but(script="centre"),
    )


def capable(of: Family, sensor: Spec, **changes: object) -> Recipe:
    """Coarse and fine features, of which the fine ones are few."""
    return choosing(
        of,
        "dynamic capacity",
        CAPACITY,
        Spec("dynamic_capacity"),
        sensor=sensor,
        estimator=Spec("reinforce"),
        **changes,
    )


CAPABLE: dict[str, Recipe] = {
    "dynamic-capacity-digits": capable(DIGITS, ON_DIGITS, **SHORT),
    "dynamic-capacity-cluttered-60": capable(CLUTTERED_60, ON_60, **LONG),
}
CAPABLE |= {
    **{f"random-{name}": at_random(name, recipe) for name, recipe in CAPABLE.items()},
    **{f"centre-{name}": fixed_patches(name, recipe) for name, recipe in CAPABLE.items()},
}
INFORMED: dict[str, Recipe] = {**CAPABLE}
