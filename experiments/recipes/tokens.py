"""Recipes for agents that select tokens."""

from dataclasses import replace

from ..recipe import Recipe, Spec
from .digits import DIGITS

RESA = DIGITS.recipe(
    "reinforced self-attention",
    "ReSAN (Shen et al. 2018): selects which of 64 patches of 6x6 pixels attend, and which are "
    "attended to; the rest is dropped.",
    Spec("reinforced", sparsity=12.0),
    sensor=Spec("pairs", rows=8, columns=8),
    looks=2,
    context="whole",
    each=False,
    test_draws=4,
    estimator=Spec("three_phases", phases=(500, 200), samples=2),
    images=102_400,
    batch_size=64,
    lr=3e-3,
    warmup=20,
    max_grad_norm=5.0,
    validate_every=25_600,
    keep="last",
)
SELECTING: dict[str, Recipe] = {
    "reinforced-digits": RESA,
    "reinforced-all-digits": replace(
        RESA,
        title="self-attention, all tokens",
        about=f"The same network with all patches selected, from start to end. {DIGITS.scene}",
        agent=RESA.agent.but(script="centre", share=1.0),
        estimator=Spec("reinforce"),
    ),
    "random-reinforced-digits": replace(
        RESA,
        title="random tokens",
        about=f"The same network with 7 of the 64 patches, anywhere. {DIGITS.scene}",
        agent=RESA.agent.but(script="random", share=0.11),
        estimator=Spec("reinforce"),
    ),
}
