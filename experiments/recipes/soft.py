"""Recipes for soft and stochastic attention in a network that sees everything at once."""

from dataclasses import replace

from hardattn.training.options import TrainOptions

from ..recipe import ProblemOptions, Recipe, Spec

ATTENDING = Recipe(
    title="soft attention",
    about=(
        "A small residual CNN with a block of soft attention after each unit, or with a head "
        "that attends (--block, --head; `all` in a sweep stands for every row). 200 updates, "
        "which say as much about how fast a block learns as about how far it gets. Digits "
        "doubled to 16x16 on a 48x48 canvas with four pieces of clutter."
    ),
    problem=ProblemOptions(
        scene=Spec("cluttered", canvas=48, zoom=2, distractors=4, distractor_size=8),
        sensor=Spec("whole"),
        looks=1,
        first="centre",
        test_draws=4,
    ),
    agent=Spec("soft", weights=60_000),
    training=TrainOptions(images=12_800, batch_size=64, lr=3e-3, warmup=25, validate_every=6_400),
)

AT_ONCE: dict[str, Recipe] = {
    "soft": ATTENDING,
    "stochastic": replace(
        ATTENDING,
        title="stochastic attention",
        about=(
            "The same network with a stochastic block or head, or with a soft one, for three times "
            "as many updates. Digits doubled to 16x16 on a 48x48 canvas with eight pieces of "
            "clutter."
        ),
        problem=replace(ATTENDING.problem, scene=ATTENDING.problem.scene.but(distractors=8)),
        training=replace(ATTENDING.training, images=38_400, warmup=50, validate_every=9_600),
    ),
}
