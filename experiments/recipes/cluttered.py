"""Recipes for digits among clutter."""

from dataclasses import replace

from ..recipe import ProblemOptions, Recipe, Spec
from .digits import DIGITS
from .mnist import MNIST

CLUTTERED_DIGITS = replace(
    DIGITS,
    problem=replace(
        DIGITS.problem,
        scene=Spec("cluttered", canvas=48, zoom=2, distractors=4, distractor_size=8),
        test_draws=4,
    ),
    scene=(
        "Digits doubled to 16x16 on a 48x48 canvas with four pieces of clutter; six looks of 6x6, "
        "3 scales."
    ),
)

CLUTTERED_60 = replace(
    MNIST,
    problem=ProblemOptions(
        dataset="mnist",
        scene=Spec("cluttered", canvas=60, distractors=4, distractor_size=8),
        sensor=Spec("retina", size=12, scales=3),
        looks=8,
    ),
    scene="MNIST on a 60x60 canvas with four pieces of clutter; eight looks of 12x12, 3 scales.",
)

# Beside what Stable-Baselines3 learns on the same scenes: see recipes/sb3.py.
CLUTTERED: dict[str, Recipe] = {
    name: recipe
    for name, recipe in CLUTTERED_DIGITS.members("cluttered-digits").items()
    if name.startswith(("ram-cluttered", "random-"))
}
