"""Recipes for Catch, where looking is half of what is done."""

from dataclasses import replace

from hardattn.training.options import TrainOptions

from ..recipe import ProblemOptions, Recipe, Spec

PLAYER = Recipe(
    title="RAM that plays",
    about=(
        "Catch (Mnih et al. 2014): a ball falls over a screen of 24x24; looks of 6x6, 3 "
        "scales. RAM by PPO, paid 1 for a ball that was caught. Error is the share of those "
        "that were not; the paper's agent has about 15 %."
    ),
    problem=ProblemOptions(
        scene=Spec("catch"), sensor=Spec("retina", size=6, scales=3), looks=24, test_draws=8
    ),
    agent=Spec("player", core="gru", hidden=128, what=64, where=32, std=0.15),
    estimator=Spec("ppo", ent_coef=0.003, update_epochs=3),
    training=TrainOptions(
        images=400_000,
        lr=2e-3,
        warmup=50,
        max_grad_norm=1.0,
        validate_every=25_000,
        keep="last",
    ),
)

CATCH_RECIPES: dict[str, Recipe] = {
    "player-catch": PLAYER,
    "random-catch": replace(
        PLAYER,
        title="random looks, RAM that plays",
        about=(
            f"RAM that plays as it learns to, but looks anywhere. {PLAYER.about.split('. RAM')[0]}."
        ),
        agent=PLAYER.agent.but(script="random"),
    ),
}
