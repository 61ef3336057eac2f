"""Recipes for sentences about digits."""

from dataclasses import replace
from typing import Any

from hardattn.training.options import TrainOptions

from ..kinds import Settings
from ..recipe import ProblemOptions, Recipe, Spec

SCENE = "Two or three digits of two sizes on 32x32, and a sentence that names them, word by word."
PROBLEM = ProblemOptions(
    dataset="digits",
    scene=Spec("captions", canvas=32, across=2),
    sensor=Spec("cells", rows=4, columns=4),
    looks=10,
    first="centre",
    context="whole",
    draw="soft",
    test_draws=4,
)
TRAINING = TrainOptions(
    images=76_800,
    batch_size=128,
    lr=3e-3,
    warmup=50,
    max_grad_norm=5.0,
    validate_every=19_200,
)
SOFT = Spec("soft_attention")
FED = "Its own words are fed back; in training, the true ones."


def captioner(
    title: str, about: str, agent: Spec, estimator: Spec = SOFT, *controls: str, **changes: Any
) -> Recipe:
    """A recipe for sentences; changes: of the problem."""
    return Recipe(
        title=title,
        about=f"{about} {FED} {SCENE}",
        problem=replace(PROBLEM, **changes),
        agent=agent,
        estimator=estimator,
        training=TRAINING,
        controls=controls,
    )


def scripted(of: str, recipe: Recipe, script: str, title: str) -> Recipe:
    """The same who tells, trained for looks that a script takes."""
    return replace(
        recipe,
        title=title,
        about=f"The observer of {of}, trained for {script} looks. {FED} {SCENE}",
        problem=replace(recipe.problem, draw="greedy"),
        agent=recipe.agent.but(script=script),
        estimator=Spec("reinforce"),
        controls=(),
    )


SAT = captioner(
    "show, attend and tell, soft",
    "Xu et al. (2015): soft attention, by backpropagation.",
    Spec("sat_captioner"),
    SOFT,
    "sat-alike-captions",
)
HARD = captioner(
    "show, attend and tell, hard",
    "Xu et al. (2015): one cell before each word, half of the episodes at their expectation.",
    Spec("sat_captioner"),
    Spec("moving_average", soft=0.5),
    "random-sat-captions",
    "sat-alike-captions",
    draw="greedy",
)
WRITER = captioner(
    "RAM that writes",
    "RAM (Mnih et al. 2014) that looks before each word, through a retina of 8x8 in two scales. "
    "Departs from the paper: it says words, each asked at its look; looks are paid the belief in "
    "the words to come; the policy's gradient trains the core; draws narrow while it learns; "
    "glimpses go through a convolution; Adam.",
    Spec(
        "ram_captioner",
        hidden=256,
        std=0.2,
        std_end=0.05,
        std_from=0.4,
        joint=True,
        filters=16,
    ),
    Spec("per_look_gain", discount=0.9),
    "random-ram-captions",
    "raster-ram-captions",
    sensor=Spec("retina", size=8, scales=2),
    context="none",
    draw="greedy",
)
RAM = replace(WRITER, training=replace(TRAINING, images=300_032, validate_every=37_504))
# Who attends inside sees the image whole, whatever is looked at.
INSIDE: Settings = {"sensor": Spec("whole"), "draw": "greedy"}
TRANSFORMER = captioner(
    "Transformer",
    "Vaswani et al. (2017): an encoder of cells, a decoder of words, cross attention.",
    Spec("transformer_captioner"),
    Spec("reinforce"),
    "transformer-alike-captions",
    **INSIDE,
)
X_LINEAR = captioner(
    "X-linear captioner",
    "Pan et al. (2020): places and channels, weighed by products with what is asked.",
    Spec("x_linear_captioner"),
    Spec("reinforce"),
    "x-linear-alike-captions",
    **INSIDE,
)


def without(recipe: Recipe) -> Recipe:
    """Its twin without attention."""
    return replace(
        recipe,
        title=f"{recipe.title}, no attention",
        about=f"The same network, to which all cells are shown alike. {FED} {SCENE}",
        agent=recipe.agent.but(attention=False),
        controls=(),
    )


MATCHING = (
    "One of 20 sentences says which two digits lie where on 32x32; others differ by a word or two."
)
SCAN = Recipe(
    title="stacked cross attention",
    about=f"Lee et al. (2018): words attend to cells; margin 0.2, hardest negative. {MATCHING}",
    problem=ProblemOptions(
        dataset="digits",
        scene=Spec("matching", canvas=32),
        sensor=Spec("whole"),
        looks=1,
        first="centre",
        context="cue",
        each=False,
        test_draws=4,
    ),
    agent=Spec("stacked_cross_attention"),
    estimator=Spec("hardest_negative"),
    controls=("scan-alike-matching",),
    training=replace(TRAINING, images=25_600, batch_size=64, lr=2e-3, validate_every=6_400),
)

CAPTIONING: dict[str, Recipe] = {
    "sat-soft-captions": SAT,
    "sat-hard-captions": HARD,
    "sat-alike-captions": without(SAT),
    "random-sat-captions": scripted(
        "sat-hard-captions", HARD, "random", "random looks, show, attend and tell"
    ),
    "ram-captions": RAM,
    "random-ram-captions": scripted("ram-captions", RAM, "random", "random looks, RAM that writes"),
    "boosted-captions": captioner(
        "boosted attention",
        "Chen & Zhao (2018): features are boosted where the image stands out. Its twin without is "
        "sat-soft-captions.",
        Spec("boosted_captioner"),
        SOFT,
        "sat-soft-captions",
    ),
    "prophet-captions": captioner(
        "prophet attention",
        "Liu et al. (2020): attention is held to that of one who knows the word. Its twin without "
        "is sat-soft-captions.",
        Spec("prophet_captioner"),
        SOFT,
        "sat-soft-captions",
    ),
    "transformer-captions": TRANSFORMER,
    "transformer-alike-captions": without(TRANSFORMER),
    "x-linear-captions": X_LINEAR,
    "x-linear-alike-captions": without(X_LINEAR),
    "scan-matching": SCAN,
    "scan-alike-matching": replace(
        SCAN,
        title="stacked cross attention, no attention",
        about=f"The same network, which compares words with the mean of cells. {MATCHING}",
        agent=SCAN.agent.but(attention=False),
        controls=(),
    ),
    "raster-ram-captions": scripted("ram-captions", RAM, "raster", "raster looks, RAM that writes"),
}
