"""Recipes for agents that choose several patches of a coarse view at once."""

from dataclasses import replace
from typing import Any

from ..kinds import Settings
from ..recipe import Recipe, Spec
from .cluttered import CLUTTERED_60
from .digits import DIGITS
from .family import Family

# What there is to choose from: cells, and the patches in their middle, which overlap.
ON_DIGITS = Spec("several", rows=6, columns=6, count=4, side=12)
ON_60 = Spec("several", rows=6, columns=6, count=4, side=16)


# How long each learns; megapixels aside.
SHORT: Settings = {"images": 64_000, "batch_size": 64, "lr": 3e-3, "validate_every": 6_400}
LONG: Settings = {"images": 320_000, "batch_size": 64, "lr": 2e-3, "validate_every": 32_000}
STEADY: Settings = {"warmup": 20, "max_grad_norm": 5.0}


def choosing(of: Family, title: str, about: str, agent: Spec, **changes: Any) -> Recipe:
    """An agent that is told a coarse view and looks once, at several patches."""
    sensor = changes.pop("sensor")
    cells = sensor.options["rows"] * sensor.options["columns"]
    scene = (
        f"{of.what}; {sensor.options['count']} patches of "
        f"{sensor.options['side']}x{sensor.options['side']} out of {cells}, chosen from a view of "
        "12x12."
    )
    return replace(of, scene=scene).recipe(
        title,
        about,
        agent,
        sensor=sensor,
        looks=2,
        context="coarse",
        each=False,
        **STEADY,
        **changes,
    )


# Who chooses in a control, how its patches are called, and where they lie.
PATCHES = {
    "random": ("random", "anywhere"),
    "centre": ("fixed", "those in the middle of every image"),
    "oracle": ("oracle", "those nearest to the target"),
}


def pointed_out(recipe: Recipe) -> Recipe:
    """In a world whose first look, which nobody decides, falls on the target: for an oracle."""
    return replace(recipe, problem=replace(recipe.problem, first="target"))


def by_script(
    of: str,
    recipe: Recipe,
    script: str,
    share: float | None = None,
    patches: str = "as many patches",
) -> Recipe:
    """The agent's observer, with a share of the patches, or as many; a script chooses them."""
    if share is None:
        grid = recipe.problem.sensor.options
        share = round(grid["count"] / (grid["rows"] * grid["columns"]), 4)
    called, where = PATCHES[script]
    found = replace(
        recipe,
        title=f"{called} patches, {recipe.title}",
        about=f"The observer of {of}, with {patches}, {where}.",
        agent=recipe.agent.but(script=script, share=share),
        estimator=Spec("reinforce"),
    )
    return pointed_out(found) if script == "oracle" else found


def controls(recipes: dict[str, Recipe]) -> dict[str, Recipe]:
    """All of PATCHES for each of these."""
    return {
        f"{script}-{name}": by_script(name, recipe, script)
        for script in PATCHES
        for name, recipe in recipes.items()
    }


PERTURBED = (
    "Differentiable patch selection (Cordonnier et al. 2021): the best patches by a score, which "
    "learns through the mean choice under noise."
)
SAMPLED = (
    "Attention sampling (Katharopoulos & Fleuret 2019): soft attention over all patches, estimated "
    "from those that are drawn by it."
)
LEARNING: dict[str, Recipe] = {
    "patch-selection-digits": choosing(
        DIGITS,
        "patch selection",
        PERTURBED,
        Spec("patch_selection"),
        sensor=ON_DIGITS,
        estimator=Spec("perturbed_top_k", sigma=0.1, falling=800),
        **SHORT,
    ),
    "patch-selection-cluttered-60": choosing(
        CLUTTERED_60,
        "patch selection",
        PERTURBED,
        Spec("patch_selection"),
        sensor=ON_60,
        estimator=Spec("perturbed_top_k", sigma=0.1, falling=4000),
        **LONG,
    ),
    "attention-sampling-digits": choosing(
        DIGITS,
        "attention sampling",
        SAMPLED,
        Spec("attention_sampling"),
        sensor=ON_DIGITS,
        estimator=Spec("attention_sampling"),
        **SHORT,
    ),
    "attention-sampling-cluttered-60": choosing(
        CLUTTERED_60,
        "attention sampling",
        SAMPLED,
        Spec("attention_sampling"),
        sensor=ON_60,
        estimator=Spec("attention_sampling"),
        **LONG,
    ),
}
# Megapixel digits, after the papers: ten patches of 50x50 of 1500x1500 pixels.
MEGAPIXELS = replace(
    CLUTTERED_60,
    problem=replace(
        CLUTTERED_60.problem,
        scene=Spec("majority", canvas=1500, distractors=50, distractor_size=12),
    ),
)


def megapixels(
    title: str, about: str, agent: Spec, estimator: Spec, batch_size: int, images: int
) -> Recipe:
    """On megapixel digits."""
    recipe = choosing(
        replace(MEGAPIXELS, scene="Five digits of MNIST among noise on 1500x1500, three alike"),
        title,
        about,
        agent.but(filters=8),
        sensor=Spec("several", rows=50, columns=50, count=10, side=50),
        estimator=estimator,
        images=images,
        batch_size=batch_size,
        lr=1e-3,
        validate_every=images // 10,
    )
    said = recipe.about.replace("a view of 12x12", "a view of 125x125")
    return replace(recipe, about=said, problem=replace(recipe.problem, context="survey"))


MANY: dict[str, Recipe] = {
    "patch-selection-megapixels": megapixels(
        "patch selection",
        PERTURBED,
        Spec("patch_selection"),
        # Until the scores have learned, nearly every noise has patches of its own to be read.
        Spec("perturbed_top_k", sigma=0.05, noises=50, falling=10_000),
        batch_size=8,
        images=100_000,
    ),
    "attention-sampling-megapixels": megapixels(
        "attention sampling",
        SAMPLED,
        Spec("attention_sampling"),
        Spec("attention_sampling"),
        batch_size=32,
        images=200_000,
    ),
}
# Windows of the grid that the image is gone over in, and the look before them.
ITERATED = (
    "Iterative patch selection (Bergner et al. 2023): over all of the image, window by window, and "
    "an answer from the patches that were attended to most."
)


def keeping(of: Family, scene: str, window: int, across: int, **changes: Any) -> Recipe:
    """An agent that goes over so many windows a side, each of four patches, and keeps four."""
    return replace(of, scene=scene).recipe(
        "iterative patch selection",
        ITERATED,
        Spec("iterative_patch_selection", patch=window // 2, kept=4),
        sensor=Spec("retina", size=window, scales=1),
        looks=across**2 + 1,
        each=False,
        estimator=Spec("reinforce"),
        **STEADY,
        **changes,
    )


KEEPING: dict[str, Recipe] = {
    "iterative-patch-selection-digits": keeping(
        DIGITS,
        "Digits doubled to 16x16, anywhere on a blank 48x48 canvas; 4 of 36 patches of 8x8.",
        16,
        3,
        **SHORT,
    ),
    "iterative-patch-selection-cluttered-60": keeping(
        CLUTTERED_60,
        "MNIST on a 60x60 canvas with four pieces of clutter; 4 of 16 patches of 15x15.",
        30,
        2,
        **LONG,
    ),
}
DROPPED = (
    "PatchDrop (Uzkent & Ermon 2020): which of 16 patches are seen finely is decided from a view "
    "of 12x12, each for itself, and paid for."
)


def dropping(of: Family, phases: tuple[int, int], **changes: Any) -> Recipe:
    """An agent that decides a mask of 4 x 4 patches."""
    return replace(of, scene=f"{of.what}.").recipe(
        "PatchDrop",
        DROPPED,
        Spec("patch_drop", price=2.0),
        sensor=Spec("patches", rows=4, columns=4),
        looks=2,
        context="coarse",
        each=False,
        estimator=Spec("three_phases", phases=phases, samples=2),
        **STEADY,
        **changes,
    )


DROPPING: dict[str, Recipe] = {
    "patch-drop-digits": dropping(DIGITS, (500, 100), keep="last", **SHORT),
    "patch-drop-cluttered-60": dropping(CLUTTERED_60, (2500, 500), keep="last", **LONG),
}

HALF = {
    f"{script}-{name}": by_script(name, recipe, script, 0.5, "half of the patches")
    for script in PATCHES
    for name, recipe in DROPPING.items()
}
EVERY = DROPPING["patch-drop-digits"]
ALL = {
    "all-patch-drop-digits": replace(
        EVERY,
        title="all patches, PatchDrop",
        about="The observer of patch-drop-digits, with every patch.",
        agent=EVERY.agent.but(script="centre", share=1.0),
        estimator=Spec("reinforce"),
    )
}
CHOOSING: dict[str, Recipe] = {
    **DROPPING,
    **ALL,
    **HALF,
    **KEEPING,
    **LEARNING,
    **controls(LEARNING),
    **MANY,
    **{f"random-{name}": by_script(name, recipe, "random") for name, recipe in MANY.items()},
}
