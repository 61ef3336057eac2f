"""Recipes for MNIST and Fashion-MNIST as they are, and for digits of MNIST on a blank canvas."""

from dataclasses import replace

from hardattn.training.options import TrainOptions

from ..recipe import ProblemOptions, Recipe, Spec
from .digits import RAM
from .family import GAIN, Family

# Images of 28x28 have more to tell than those of 8x8, and there are more of them: so wider, and
# filters that take every second pixel.
WIDE = RAM.but(hidden=192, what=192, filters=24, filter_stride=2)
# Digits that fill the image are read off details. Looks that stay spread are a noise against which
# these are learned: greedy ones err less, too.
WIDER = WIDE.but(hidden=320, what=256, filters=32, std=0.15, std_end=0.1)
TRAINING = TrainOptions(images=6_000_000, batch_size=128, lr=2e-3, validate_every=200_000)
WHOLE = {
    **dict.fromkeys(
        ("mlp", "conv_2014"),
        TrainOptions(images=3_000_000, batch_size=128, lr=1e-3, validate_every=100_000),
    ),
    "cnn": TrainOptions(images=600_000, batch_size=128, lr=2e-3, validate_every=50_000),
}
# On 60x60 that is as many seconds of a core as RAM's five million scenes.
WHOLE_60 = {**WHOLE, "cnn": replace(WHOLE["cnn"], images=300_000, validate_every=25_000)}
# In 120 epochs of images that never change nets learn these by heart: at 2 looks RAM errs on 2 % of
# its training images and on 5 % of others.
AUGMENT = ("rotate=10", "scale=0.1", "shift=0.05")
MNIST = Family(
    problem=ProblemOptions(dataset="mnist", sensor=Spec("retina", size=8, scales=1), looks=6),
    scene="MNIST as it is, 28x28; six looks of 8x8, one scale.",
    ram=WIDER,
    gain=GAIN.but(late=2.0),
    better={"first": "centre", "augment": AUGMENT},
    training=replace(TRAINING, optimizer="adamw", weight_decay=0.1),
    plain=Spec("ram", std=0.1),
    apart=TrainOptions(images=18_000_000, batch_size=512, lr=2e-3, validate_every=500_000),
    published={"std": 0.1},
    whole={**WHOLE, "cnn": replace(WHOLE["cnn"], augment=AUGMENT)},
)

FASHION = replace(
    MNIST,
    problem=replace(MNIST.problem, dataset="fashion_mnist", looks=12),
    plain=None,
    scene="Fashion-MNIST as it is, 28x28; twelve looks of 8x8, one scale.",
)

TRANSLATED_60 = replace(
    MNIST,
    problem=ProblemOptions(
        dataset="mnist",
        scene=Spec("translated", canvas=60),
        sensor=Spec("retina", size=12, scales=3),
        looks=8,
    ),
    scene="MNIST anywhere on a blank 60x60 canvas; eight looks of 12x12, 3 scales.",
    ram=WIDE,
    better={},
    training=replace(TRAINING, images=5_000_000),
    whole=WHOLE_60,
    plain=None,
    published={"std": 0.2},
)

MRAM: dict[str, Recipe] = {
    "mram-fashion": FASHION.recipe(
        "MRAM",
        "MRAM (Pan et al. 2025): two layers, the lower one looks; the paper has 8.2 %.",
        Spec("mram", std=0.05),
    ),
}
