"""Recipes for soft and stochastic attention in a network that sees everything at once."""

from dataclasses import replace

from hardattn.training.options import TrainOptions

from ..recipe import ProblemOptions, Recipe, Spec

ATTENDING = Recipe(
    title="soft attention",
    about=(
        "A small residual CNN with blocks of soft attention where they belong, or with a head "
        "that attends (--block, --head; `all` in a sweep stands for every row). 200 updates: a "
        "smoke test, which says how fast a block learns at first and not how far it gets; for "
        "that see soft-long. Digits doubled to 16x16 on a 48x48 canvas with four pieces of clutter."
    ),
    problem=ProblemOptions(
        scene=Spec("cluttered", canvas=48, zoom=2, distractors=4, distractor_size=8),
        sensor=Spec("whole"),
        looks=1,
        first="centre",
        test_draws=4,
    ),
    agent=Spec("soft"),
    training=TrainOptions(images=12_800, batch_size=64, lr=3e-3, warmup=25, validate_every=6_400),
)

AT_ONCE: dict[str, Recipe] = {
    "soft": ATTENDING,
    "soft-long": replace(
        ATTENDING,
        title="soft attention, to the end",
        about=(
            "The same network and scenes for 2,000 updates of 32 images, the gradient clipped at "
            "1; a block or head may draw its attention, too. `hardattn soft` trains every one of "
            "them so, and compares them."
        ),
        training=TrainOptions(
            images=64_000,
            batch_size=32,
            lr=3e-3,
            warmup=100,
            max_grad_norm=1.0,
            validate_every=16_000,
        ),
    ),
}
