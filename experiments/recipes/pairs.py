"""Recipes for two digits on a large canvas."""

from hardattn.training.options import TrainOptions

from ..recipe import ProblemOptions, Recipe, Spec
from .family import Family

PAIR = Family(
    problem=ProblemOptions(
        dataset="mnist",
        scene=Spec("pair", canvas=100),
        sensor=Spec("retina", size=12, scales=4),
        looks=5,
    ),
    scene="Two digits of MNIST anywhere on 100x100, 55 answers; five looks of 12x12, 4 scales.",
    ram=Spec("ram", core="lstm", std=0.2),
    training=TrainOptions(images=600_000, batch_size=128, lr=1e-3, validate_every=50_000),
)

PAIRS: dict[str, Recipe] = {
    "ram-pairs": PAIR.recipe(
        "RAM, learned baseline",
        "RAM (Mnih et al. 2014), with an LSTM. So few images teach its policy nothing worth more "
        "than random looks; in the paper of DRAM it has 9 %.",
        PAIR.ram,
    ),
    "random-pairs": PAIR.recipe(
        "random looks",
        "RAM's observer, trained for looks that fall anywhere.",
        PAIR.ram.but(script="random"),
    ),
    "dram-blind-pairs": PAIR.recipe(
        "DRAM, no context",
        "DRAM (Ba et al. 2015) that is told nothing before it looks.",
        Spec("dram", std=0.2, balance=0.03, filters=8),
        max_grad_norm=1.0,
    ),
    "dram-pairs": PAIR.recipe(
        "DRAM",
        "DRAM (Ba et al. 2015). Ahead of RAM at the same number of images, as in the paper, where "
        "it has 5 %; here it is far from done.",
        Spec("dram", std=0.2, balance=0.03, filters=8),
        context="coarse",
        max_grad_norm=1.0,
    ),
    "random-dram-pairs": PAIR.recipe(
        "random looks, DRAM",
        "DRAM's observer, trained for looks that fall anywhere.",
        Spec("dram", std=0.2, filters=8, script="random"),
        max_grad_norm=1.0,
    ),
}
