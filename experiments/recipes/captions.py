"""Recipes for sentences about digits."""

from dataclasses import replace
from typing import Any

from hardattn.training.options import TrainOptions

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
    title: str, about: str, agent: Spec, estimator: Spec = SOFT, **changes: Any
) -> Recipe:
    """A recipe for sentences; changes: of the problem."""
    return Recipe(
        title=title,
        about=f"{about} {FED} {SCENE}",
        problem=replace(PROBLEM, **changes),
        agent=agent,
        estimator=estimator,
        training=TRAINING,
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
    )


SAT = captioner(
    "show, attend and tell, soft",
    "Xu et al. (2015): soft attention, by backpropagation.",
    Spec("sat_captioner"),
)
HARD = captioner(
    "show, attend and tell, hard",
    "Xu et al. (2015): one cell before each word, half of the episodes at their expectation.",
    Spec("sat_captioner"),
    Spec("moving_average", soft=0.5),
    draw="greedy",
)
RAM = captioner(
    "RAM that writes",
    "RAM (Mnih et al. 2014) that looks before each word, through a retina of 8x8 in two scales.",
    Spec(
        "ram_captioner",
        hidden=128,
        std=0.2,
        std_end=0.05,
        std_from=0.4,
        joint=True,
        filters=16,
    ),
    Spec("learned_baseline"),
    sensor=Spec("retina", size=8, scales=2),
    context="none",
    draw="greedy",
)

CAPTIONING: dict[str, Recipe] = {
    "sat-soft-captions": SAT,
    "sat-hard-captions": HARD,
    "sat-alike-captions": captioner(
        "show, attend and tell, no attention",
        "The same network, to which all cells are shown alike: the control without attention.",
        Spec("sat_captioner", attention=False),
    ),
    "random-sat-captions": scripted(
        "sat-hard-captions", HARD, "random", "random looks, show, attend and tell"
    ),
    "ram-captions": RAM,
    "random-ram-captions": scripted("ram-captions", RAM, "random", "random looks, RAM that writes"),
    "raster-ram-captions": scripted("ram-captions", RAM, "raster", "raster looks, RAM that writes"),
}
