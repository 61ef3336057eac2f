"""Recipes for MNIST as it is: the family alone."""

from hardattn.training.options import TrainOptions

from ..recipe import ProblemOptions, Spec
from .family import Family

MNIST = Family(
    problem=ProblemOptions(dataset="mnist", sensor=Spec("retina", size=8, scales=1), looks=6),
    scene="MNIST as it is, 28x28; six looks of 8x8, one scale.",
    ram=Spec("ram", std=0.1),
    training=TrainOptions(images=18_000_000, batch_size=512, lr=2e-3, validate_every=500_000),
    whole={
        "mlp": TrainOptions(images=3_000_000, batch_size=128, lr=1e-3, validate_every=100_000),
        "conv_2014": TrainOptions(
            images=3_000_000, batch_size=128, lr=1e-3, validate_every=100_000
        ),
        "cnn": TrainOptions(images=600_000, batch_size=128, lr=2e-3, validate_every=50_000),
    },
)
