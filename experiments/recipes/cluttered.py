"""Recipes for digits among clutter."""

from dataclasses import replace

from ..kinds import Settings
from ..recipe import Recipe, Spec
from .digits import DIGITS
from .mnist import MNIST, TRANSLATED_60

CLUTTERED_DIGITS = replace(
    DIGITS,
    problem=replace(
        DIGITS.problem,
        scene=Spec("cluttered", canvas=48, zoom=2, distractors=4, distractor_size=8),
        test_draws=4,
    ),
    training=replace(DIGITS.training, images=2_000_000, validate_every=50_000),
    apart=DIGITS.training,
    scene=(
        "Digits doubled to 16x16 on a 48x48 canvas with four pieces of clutter; six looks of 6x6, "
        "3 scales."
    ),
)

CLUTTERED_60 = replace(
    TRANSLATED_60,
    problem=replace(
        TRANSLATED_60.problem,
        scene=Spec("cluttered", canvas=60, distractors=4, distractor_size=8),
    ),
    plain=MNIST.plain,
    scene="MNIST on a 60x60 canvas with four pieces of clutter; eight looks of 12x12, 3 scales.",
)

CLUTTERED_100 = replace(
    TRANSLATED_60,
    problem=replace(
        TRANSLATED_60.problem,
        scene=Spec("cluttered", canvas=100, distractors=8, distractor_size=8),
        sensor=Spec("retina", size=12, scales=4),
    ),
    scene="MNIST on a 100x100 canvas with eight pieces of clutter; eight looks of 12x12, 4 scales.",
)

# DRAW's reader, which the gradient passes, on the same scenes.
DRAW: Settings = {
    "estimator": Spec("pathwise"),
    "lr": 2e-3,
    "max_grad_norm": 1.0,
}
READING: dict[str, Recipe] = {
    "draw-cluttered-digits": CLUTTERED_DIGITS.recipe(
        "DRAW reader",
        "DRAW's filterbank reader as a classifier (Gregor et al. 2015), by backpropagation.",
        Spec("draw", hidden=128),
        sensor=Spec("filterbank", size=6),
        **DRAW,
    ),
    "draw-cluttered-60": CLUTTERED_60.recipe(
        "DRAW reader",
        "DRAW's filterbank reader as a classifier (Gregor et al. 2015), by backpropagation; in the "
        "paper, on 100x100, it has 3.36 %.",
        Spec("draw", hidden=128),
        sensor=Spec("filterbank", size=12),
        **DRAW,
    ),
}

# Those by other estimators are on digits without clutter; here their core, which no look
# teaches, finds nothing.
OTHERS = ("ram-reinforce", "ram-self-critical", "ram-leave-one-out")
CLUTTERED: dict[str, Recipe] = {
    **{
        name: recipe
        for name, recipe in CLUTTERED_DIGITS.members("cluttered-digits").items()
        if not name.startswith(OTHERS)
    },
    **CLUTTERED_60.members("cluttered-60"),
    **CLUTTERED_100.members("cluttered-100"),
    **READING,
}
