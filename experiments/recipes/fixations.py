"""Recipes for agents whose looks are chosen one after another over features, cells or a glance."""

from dataclasses import replace
from typing import Any

from ..kinds import Settings
from ..recipe import Recipe, Spec
from .cluttered import CLUTTERED_60
from .digits import DIGITS
from .family import Family
from .patches import LONG, SHORT, pointed_out

STEADY: Settings = {"warmup": 50, "max_grad_norm": 5.0}


# Who looks in a control, and where.
SCRIPTED = {
    "random": "fall anywhere",
    "raster": "go over the image line by line",
    "oracle": "all fall on the target",
}


def scripted(of: str, recipe: Recipe, script: str, looks: str = "looks") -> Recipe:
    """The agent's observer, which learns as that agent does, with looks of a script."""
    found = replace(
        recipe,
        title=f"{script} looks, {recipe.title}",
        about=f"The observer of {of}, trained for {looks} that {SCRIPTED[script]}.",
        agent=recipe.agent.but(script=script),
    )
    return pointed_out(found) if script == "oracle" else found


FALLING = Spec("ppo", per_look=True, gamma=0.5, gae_lambda=0.84, distil=1.0, update_epochs=2)


def adapting(of: Family, size: int, **changes: Any) -> Recipe:
    """An agent that glances, and fixates three times."""
    return replace(
        of, scene=f"{of.what}; a view of 12x12 and three fixations of {size}x{size}."
    ).recipe(
        "AdaptiveNN",
        "AdaptiveNN (Wang et al. 2025): fixations that write into the map of a glance, paid for by "
        "how far each makes the cross-entropy fall. Departs from the paper: at first they are led "
        "to the target, in training; else too few fall on it for the observer to learn of them.",
        Spec("adaptive_nn", std=0.3, std_end=0.1),
        sensor=Spec("retina", size=size, scales=1),
        looks=4,
        context="coarse",
        estimator=FALLING,
        led=0.4,
        led_by="target",
        **STEADY,
        **changes,
    )


ADAPTING: dict[str, Recipe] = {
    "adaptive-nn-digits": adapting(DIGITS, 16, **SHORT),
    "adaptive-nn-cluttered-60": adapting(CLUTTERED_60, 24, **LONG),
}
SACCADES = (
    "Saccader (Elsayed et al. 2019): the mean vote of a bag of local features, at cells that are "
    "looked at one after another."
)


def saccading(of: Family, phases: tuple[int, int], around: int, **changes: Any) -> Recipe:
    """An agent that looks at five cells of 6 x 6; updates of its first two phases."""
    return replace(of, scene=f"{of.what}; five of 6x6 cells.").recipe(
        "Saccader",
        SACCADES,
        Spec("saccader", around=around),
        sensor=Spec("cells", rows=6, columns=6),
        looks=6,
        context="whole",
        each=False,
        keep="last",
        estimator=Spec("three_phases", phases=phases, samples=2),
        **STEADY,
        **changes,
    )


SACCADING: dict[str, Recipe] = {
    "saccader-digits": saccading(DIGITS, (500, 200), 0, **SHORT | {"lr": 5e-3}),
    "saccader-cluttered-60": saccading(CLUTTERED_60, (2500, 500), 1, **LONG),
}


def untaught(of: str, recipe: Recipe) -> Recipe:
    """Saccader without the second of its phases, whose updates go to the third."""
    assert recipe.estimator is not None
    first, _ = recipe.estimator.options["phases"]
    return replace(
        recipe,
        title="Saccader, no location pre-training",
        about=f"As {of}, but without the phase in which it is taught where to look.",
        estimator=recipe.estimator.but(phases=(first, 0)),
    )


def answering(of: str, recipe: Recipe, script: str, looks: str = "looks") -> Recipe:
    """As `scripted`, where what that agent learns by has nothing to teach a script."""
    return replace(scripted(of, recipe, script, looks), estimator=Spec("reinforce"))


TRANSFORMED = (
    "STAM (Rangrej et al. 2022): a transformer over glimpses, paid for agreeing with a teacher who "
    "sees the whole image in training."
)


def transforming(of: Family, **changes: Any) -> Recipe:
    """An agent that sees five of 4 x 4 cells and nothing else."""
    return replace(of, scene=f"{of.what}; five of 4x4 cells.").recipe(
        "STAM",
        TRANSFORMED,
        Spec("stam"),
        sensor=Spec("cells", rows=4, columns=4),
        looks=5,
        estimator=Spec("full_view_teacher", teacher_width=6),
        **STEADY,
        **changes,
    )


TRANSFORMING: dict[str, Recipe] = {
    "stam-digits": transforming(DIGITS, **LONG | {"images": 192_000, "lr": 1e-3}),
    "stam-cluttered-60": transforming(CLUTTERED_60, **LONG | {"lr": 1e-3}),
}


def told(of: str, recipe: Recipe, script: str) -> Recipe:
    """As `scripted`; its observer is told nothing, so that a context can tell the oracle."""
    found = scripted(of, recipe, script)
    if script != "oracle":
        return found
    return replace(found, problem=replace(found.problem, context="target"))


FIXATING: dict[str, Recipe] = {
    **ADAPTING,
    **SACCADING,
    **TRANSFORMING,
    **{f"untaught-{name}": untaught(name, recipe) for name, recipe in SACCADING.items()},
    **{
        f"{script}-{name}": control(name, recipe, script)
        for recipes, control in ((SACCADING, answering), (ADAPTING, scripted), (TRANSFORMING, told))
        for name, recipe in recipes.items()
        for script in SCRIPTED
    },
}
