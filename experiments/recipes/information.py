"""Recipes for agents that look where it tells them most, or that choose what they attend to."""

from dataclasses import replace
from typing import Any

from ..recipe import Recipe, Spec
from .cluttered import CLUTTERED_60
from .digits import DIGITS
from .family import Family
from .fixations import SCRIPTED, answering, told
from .patches import LONG, ON_60, ON_DIGITS, SHORT, choosing, controls

CAPACITY = (
    "Dynamic capacity networks (Almahairi et al. 2016): fine features where the entropy of the "
    "coarse answer depends on them most, without reinforcement."
)


def capable(of: Family, sensor: Spec, **changes: Any) -> Recipe:
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
CAPABLE |= controls(CAPABLE)
# A base that learns and is frozen, and then a policy that gates its filters from pass to pass.
GATED = (
    "dasNet (Stollenga et al. 2014): a trained, frozen CNN goes over the image again, its filters "
    "gated by a policy that evolves."
)


def gating(of: Family, base: int, policy: int, batch_size: int, **changes: Any) -> Recipe:
    """A base of so many updates, and a policy of so many."""
    scene = f"{of.what}; two passes over all of it."
    return replace(of, scene=scene).recipe(
        "dasNet",
        GATED,
        Spec("das_net"),
        sensor=Spec("whole"),
        looks=2,
        first="centre",
        each=False,
        estimator=Spec("frozen_base", base=base, sigma=0.002),
        images=(base + policy) * batch_size,
        batch_size=batch_size,
        keep="last",
        max_grad_norm=5.0,
        **changes,
    )


def base_of(name: str, recipe: Recipe) -> Recipe:
    """The base alone, trained as it is there."""
    assert recipe.estimator is not None
    updates = recipe.estimator.options["base"]
    return replace(
        recipe,
        title=f"the base alone, {recipe.title}",
        about=f"The frozen base of {name}: one pass, and no policy.",
        problem=replace(recipe.problem, looks=1),
        training=replace(recipe.training, images=updates * recipe.training.batch_size),
    )


GATING: dict[str, Recipe] = {
    "das-net-digits": gating(DIGITS, 1000, 500, 64, lr=5e-3, warmup=20, validate_every=16_000),
    "das-net-cluttered-60": gating(
        CLUTTERED_60, 5000, 1000, 64, lr=4e-3, warmup=20, validate_every=32_000
    ),
}
GATING |= {f"base-{name}": base_of(name, recipe) for name, recipe in GATING.items()}
# Where and how wide to look, by soft actor-critic over tokens of all glimpses.
ZOOMED = (
    "AdaGlimpse (Pardyl et al. 2024): a transformer over glimpses of any place and scale, whose "
    "policy learns by soft actor-critic. Departs from the paper: the encoder is not trained "
    "beforehand; so patches go through convolutions, and at first half of the looks fall anywhere, "
    "half around the target, of which training tells the place."
)


def zooming(of: Family, size: int, explore: int, **changes: Any) -> Recipe:
    """Four glimpses, of which the first, the world's, shows the whole; at first they explore."""
    scene = f"{of.what}; four looks of {size}x{size} pixels at any scale."
    return replace(of, scene=scene).recipe(
        "AdaGlimpse",
        ZOOMED,
        Spec("ada_glimpse", patch=6, width=48, filters=32),
        sensor=Spec("zoom", size=size, cover=1.0),
        looks=4,
        first="centre",
        estimator=Spec("soft_actor_critic", explore=explore, guided=0.5),
        batch_size=64,
        warmup=50,
        max_grad_norm=5.0,
        **changes,
    )


ZOOMING: dict[str, Recipe] = {
    "ada-glimpse-digits": zooming(DIGITS, 6, 2000, images=320_000, lr=3e-3, validate_every=20_000),
    "ada-glimpse-cluttered-60": zooming(
        CLUTTERED_60, 12, 4000, images=640_000, lr=2e-3, validate_every=40_000
    ),
}


def fixed_scale(of: str, recipe: Recipe, script: str) -> Recipe:
    """AdaGlimpse's observer, with looks of one scale at places that it did not choose."""
    found = answering(of, recipe, script, "looks at two fifths of the image")
    return replace(found, agent=found.agent.but(share=0.4))


ZOOMING |= {
    f"{script}-{name}": fixed_scale(name, recipe, script)
    for name, recipe in ZOOMING.items()
    for script in SCRIPTED
}
# A patch at a time, where the answer is expected to learn most.
EXPECTED = (
    "Rangrej & Clark (2021): the next patch is the one of which a partial variational autoencoder "
    "expects to learn most about the answer, without reinforcement."
)


def expecting(of: Family, sensor: Spec, **changes: Any) -> Recipe:
    """Six patches, one after another, and no view of the image; at first they fall anywhere."""
    sensor = sensor.but(count=1)
    side = sensor.options["side"]
    scene = f"{of.what}; six looks at patches of {side}x{side}."
    return replace(of, scene=scene).recipe(
        "expected information",
        EXPECTED,
        Spec("expected_information", spread=0.3, elbo=0.01),
        sensor=sensor,
        looks=6,
        estimator=Spec("reinforce"),
        led=0.7,
        warmup=50,
        max_grad_norm=5.0,
        batch_size=64,
        lr=6e-3,
        **changes,
    )


EXPECTING: dict[str, Recipe] = {
    "expected-information-digits": expecting(
        DIGITS, ON_DIGITS, images=240_000, validate_every=24_000
    ),
    "expected-information-cluttered-60": expecting(
        CLUTTERED_60, ON_60, images=320_000, validate_every=32_000
    ),
}
EXPECTING |= {
    f"{script}-{name}": replace(
        told(name, recipe, script), training=replace(recipe.training, led=0.0)
    )
    for name, recipe in EXPECTING.items()
    for script in SCRIPTED
}
INFORMED: dict[str, Recipe] = {**CAPABLE, **GATING, **ZOOMING, **EXPECTING}
