"""Recipes for agents whose looks are chosen one after another over features, cells or a glance."""

from dataclasses import replace
from typing import Any

from ..kinds import Settings
from ..recipe import Recipe, Spec
from .cluttered import CLUTTERED_60
from .digits import DIGITS
from .family import Family

# How long each learns.
SHORT: Settings = {"images": 64_000, "batch_size": 64, "lr": 5e-3, "validate_every": 6_400}
LONG: Settings = {"images": 320_000, "batch_size": 64, "lr": 2e-3, "validate_every": 32_000}
STEADY: Settings = {"warmup": 50, "max_grad_norm": 5.0}


def scene_of(of: Family) -> str:
    """What is looked at, without how."""
    return of.scene.partition(";")[0]


def scripted(of: str, recipe: Recipe, script: str, looks: str) -> Recipe:
    """The agent's observer, which learns as that agent does, with looks of a script."""
    return replace(
        recipe,
        title=f"{script} looks, {recipe.title}",
        about=f"The observer of {of}, trained for looks that {looks}.",
        agent=recipe.agent.but(script=script),
    )


FALLING = Spec("ppo", per_look=True, discount=0.5, gae_lambda=0.84, distil=1.0, update_epochs=2)


def adapting(of: Family, size: int, **changes: Any) -> Recipe:
    """An agent that glances, and fixates three times."""
    return replace(
        of, scene=f"{scene_of(of)}; a view of 12x12 and three fixations of {size}x{size}."
    ).recipe(
        "AdaptiveNN",
        "AdaptiveNN (Wang et al. 2025): fixations that write into the map of a glance, paid for by "
        "how far each makes the cross-entropy fall.",
        Spec("adaptive_nn", std=0.3, std_end=0.1),
        sensor=Spec("retina", size=size, scales=1),
        looks=4,
        context="coarse",
        estimator=FALLING,
        **STEADY,
        **changes,
    )


ADAPTING: dict[str, Recipe] = {
    "adaptive-nn-digits": adapting(DIGITS, 16, **SHORT),
    "adaptive-nn-cluttered-60": adapting(CLUTTERED_60, 24, **LONG),
}
SCRIPTED = {"random": "fall anywhere", "raster": "go over the image line by line"}
FIXATING: dict[str, Recipe] = {
    **ADAPTING,
    **{
        f"{script}-{name}": scripted(name, recipe, script, looks)
        for name, recipe in ADAPTING.items()
        for script, looks in SCRIPTED.items()
    },
}
