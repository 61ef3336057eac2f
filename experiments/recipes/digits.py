"""Recipes for digits on a blank canvas: RAM and its relatives, which look through a window."""

from dataclasses import replace
from typing import Any

from hardattn.training.options import TrainOptions

from ..recipe import ProblemOptions, Recipe, Spec
from .family import Family

# Chosen by validation on cluttered digits, and used on all scenes whose digits have to be found.
RAM = Spec(
    "ram",
    core="gru",
    hidden=128,
    std=0.2,
    std_end=0.04,
    std_from=0.4,
    joint=True,
    filters=16,
)
DIGITS = Family(
    problem=ProblemOptions(
        dataset="digits",
        scene=Spec("translated", canvas=48, zoom=2),
        sensor=Spec("retina", size=6, scales=3),
        looks=6,
        test_draws=8,
    ),
    scene="Digits doubled to 16x16, anywhere on a blank 48x48 canvas; six looks of 6x6, 3 scales.",
    ram=RAM,
    plain=Spec("ram", core="gru", std=0.2),
    published={"std": 0.2},
    training=TrainOptions(images=320_000, batch_size=256, lr=4e-3, validate_every=20_000),
    whole={
        "mlp": TrainOptions(images=320_000, batch_size=128, lr=1e-3, validate_every=20_000),
        "conv_2014": TrainOptions(images=320_000, batch_size=128, lr=1e-3, validate_every=20_000),
        "cnn": TrainOptions(images=18_000, batch_size=64, lr=2e-3, validate_every=2_000),
        "small_cnn": TrainOptions(images=20_000, batch_size=64, lr=4e-3, validate_every=2_000),
    },
)


def on_digits(title: str, about: str, agent: Spec, **changes: Any) -> Recipe:
    """A recipe on this problem: see `Family.recipe`."""
    return DIGITS.recipe(title, about, agent, **changes)


def random_looks(of: str, recipe: Recipe, title: str) -> Recipe:
    """The agent's observer under random looks, trained as that agent is."""
    return replace(
        recipe,
        title=f"random looks, {title}",
        about=f"The observer of {of}, trained for looks that fall anywhere. {DIGITS.scene}",
        problem=replace(recipe.problem, draw="greedy"),
        agent=recipe.agent.but(script="random"),
        estimator=Spec("reinforce"),
    )


LOOKING: dict[str, Recipe] = {
    "dram-digits": on_digits(
        "DRAM",
        "DRAM (Ba et al. 2015): two layers, and a context net that the classifier cannot read.",
        Spec("dram", std=0.2, balance=0.03),
        context="coarse",
        lr=2e-3,
        max_grad_norm=1.0,
    ),
    "mram-digits": on_digits(
        "MRAM",
        "MRAM (Pan et al. 2025): two layers, the lower one looks.",
        Spec("mram", std=0.2),
        lr=2e-3,
    ),
    "dt-ram-digits": on_digits(
        "DT-RAM",
        "DT-RAM (Li et al. 2017): RAM that pays for every look, and learns when to stop.",
        Spec("dt_ram", core="gru", std=0.2, price=0.02),
        curriculum=0.5,
    ),
    "edram-digits": on_digits(
        "EDRAM",
        "EDRAM (Ablavatski et al. 2017): affine glimpses, by backpropagation. Its curves fall back "
        "more than once, where glimpses move faster than the answer follows, we think; the paper "
        "holds them with a loss on places, for which an agent would have to see boxes.",
        Spec("edram"),
        sensor=Spec("affine", size=10, cover=0.4),
        context="coarse",
        first="centre",
        estimator=Spec("pathwise"),
        lr=1e-3,
        max_grad_norm=1.0,
    ),
    "draw-digits": on_digits(
        "DRAW reader",
        "DRAW's filterbank reader as a classifier (Gregor et al. 2015), by backpropagation.",
        Spec("draw"),
        sensor=Spec("filterbank", size=6),
        estimator=Spec("pathwise"),
        lr=2e-3,
        max_grad_norm=1.0,
    ),
    "zoom-ram-digits": on_digits(
        "RAM that zooms",
        "RAM that also chooses how wide to look, through a Gaussian window.",
        Spec("zoom_ram", core="gru", std=0.2),
        sensor=Spec("zoom", size=6),
        estimator=Spec("learned_baseline"),
    ),
    "spread-ram-digits": on_digits(
        "RAM, learned spread",
        "RAM whose policy learns how widely to draw. Seeds differ widely: the spread can grow or "
        "shrink before the mean has anything to prefer, we think.",
        Spec("spread_ram", core="gru", std=0.2),
    ),
    "guided-ram-digits": on_digits(
        "RAM, variational",
        "RAM on the evidence bound of Ba et al. (2015), with a guide that sees the label.",
        Spec("guided_ram", core="gru", std=0.2),
        each=False,
        estimator=Spec("variational_sampled"),
    ),
    "ws-ram-digits": on_digits(
        "RAM, wake-sleep",
        "WS-RAM (Ba et al. 2015): reweighted wake-sleep, with a guide that sees the label. Behind "
        "random looks at this budget: likelihoods that hardly differ at first weigh four proposals "
        "a scene nearly alike, which leaves the policy little to follow, we think.",
        Spec("guided_ram", core="gru", std=0.2),
        each=False,
        estimator=Spec("wake_sleep", samples=4),
        batch_size=64,
        images=80_000,
        validate_every=5_000,
    ),
    "temporal-ram-digits": on_digits(
        "RAM, temporal attention",
        "RAM whose answer attends over all of its looks.",
        Spec("temporal", core="gru", std=0.2),
    ),
    "kalman-ram-digits": on_digits(
        "RAM, Kalman filter",
        "RAM whose memory is a Kalman filter over glimpses (Liu et al. 2020).",
        Spec("kalman", std=0.2),
    ),
    "glance-focus-digits": on_digits(
        "glance and focus",
        "GFNet (Wang et al. 2020): a coarse glance, then crops, paid for what each adds.",
        Spec("glance_focus"),
        context="coarse",
        estimator=Spec("per_look_gain"),
    ),
}

CONTROLS: dict[str, Recipe] = {
    f"random-{name}-digits": random_looks(f"{name}-digits", recipe, recipe.title)
    for name in ("dram", "mram", "edram", "draw", "zoom-ram", "kalman-ram", "glance-focus")
    for recipe in (LOOKING[f"{name}-digits"],)
}
