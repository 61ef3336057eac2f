"""Recipes for what is found, or told apart, by examples of classes that training never shows."""

from dataclasses import replace

from hardattn.training.options import TrainOptions

from ..recipe import ProblemOptions, Recipe, Spec
from .digits import RAM
from .family import DEPARTS, GAIN

UNSEEN = (
    "Of the ten digits four are for training, three for validation and three for the test, chosen "
    "anew by --class-seed; a digit turned by a quarter is one more class."
)
ASKED = (
    "Digits doubled to 16x16 at 4 x 4 places of a 48x48 canvas, four of them, with four pieces of "
    f"clutter; an example of one is told, and in a quarter of the scenes it is not there. {UNSEEN}"
)
QUERY = Spec("query", canvas=48, zoom=2, turns=True)
CO_ATTENTION = Recipe(
    title="co-attention and co-excitation",
    about=(
        "Co-attention and co-excitation (Hsieh et al. 2019): scene and example attend to each "
        f"other, and the example gates the channels of both. {ASKED}"
    ),
    problem=ProblemOptions(
        scene=QUERY, sensor=Spec("whole"), looks=1, first="centre", test_draws=8
    ),
    agent=Spec("co_attention"),
    controls=("siamese-query-digits",),
    estimator=Spec("margin_ranking"),
    training=TrainOptions(
        images=24_000, batch_size=64, lr=2e-3, warmup=50, max_grad_norm=5.0, validate_every=4_800
    ),
)
EPISODES = Recipe(
    title="cross attention network",
    about=(
        "Cross attention network (Hou et al. 2019): where the query and the images of a class are "
        "to be looked at, so that they can be compared. Three classes of one image each, digits "
        f"doubled to 16x16 in cells of 24x24. {UNSEEN}"
    ),
    problem=ProblemOptions(
        scene=Spec("few_shot", zoom=2, margin=8, turns=True),
        sensor=Spec("whole"),
        looks=1,
        first="centre",
        test_draws=8,
    ),
    agent=Spec("cross_attention"),
    controls=("prototypical-few-shot-digits",),
    estimator=Spec("cross_attention"),
    training=TrainOptions(
        images=24_000, batch_size=64, lr=2e-3, warmup=50, max_grad_norm=5.0, validate_every=4_800
    ),
)
COMPARING: dict[str, Recipe] = {
    "co-attention-query-digits": CO_ATTENTION,
    "siamese-query-digits": replace(
        CO_ATTENTION,
        title="siamese network",
        about=f"The same network without co-attention and co-excitation. {ASKED}",
        agent=CO_ATTENTION.agent.but(attend=False, excite=False),
        controls=(),
    ),
    "cross-attention-few-shot-digits": EPISODES,
    "prototypical-few-shot-digits": replace(
        EPISODES,
        title="prototypical network",
        about=(
            "The same network without attention, by the same losses: the nearest mean of a class "
            f"by its cosine (Snell et al. 2017). {UNSEEN}"
        ),
        agent=EPISODES.agent.but(attend=False),
        controls=(),
    ),
}
SHOWN = (
    "Two digits doubled to 16x16 at 4 x 4 places of a blank 48x48 canvas, and an example of one of "
    f"them beside each glimpse; six looks of 12x12, 2 scales. {UNSEEN}"
)
RAM_QUERY = Recipe(
    title="RAM, shown what to find",
    about=f"RAM (Mnih et al. 2014) as well as we can, shown what to find. {DEPARTS} {SHOWN}",
    problem=ProblemOptions(
        scene=QUERY.but(distractors=1, clutter=0, absent=0.0),
        sensor=Spec("retina", size=12, scales=2),
        looks=6,
        first="centre",
        test_draws=8,
    ),
    agent=RAM,
    estimator=GAIN,
    training=TrainOptions(images=128_000, batch_size=256, lr=4e-3, validate_every=32_000),
    controls=("random-query-digits", "raster-query-digits"),
)
SCRIPTED = {
    "random": "fall anywhere",
    "raster": "go over the image line by line",
    "oracle": "all fall on what is to be found",
}


def scripted(of: str, recipe: Recipe, script: str, looks: str) -> Recipe:
    """The searcher's observer, which learns as the searcher does, with looks of a script."""
    found = replace(
        recipe,
        title=f"{script} looks, {recipe.title}",
        about=f"The observer of {of}, trained for looks that {looks}. {SHOWN}",
        agent=recipe.agent.but(script=script),
        estimator=Spec("learned_baseline"),
        controls=(),
    )
    if script != "oracle":
        return found
    return replace(found, problem=replace(found.problem, first="target", context="target"))


EXAMPLES: dict[str, Recipe] = {
    **COMPARING,
    "ram-query-digits": RAM_QUERY,
    **{
        f"{script}-query-digits": scripted("ram-query-digits", RAM_QUERY, script, looks)
        for script, looks in SCRIPTED.items()
    },
}
