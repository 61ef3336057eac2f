"""What settings are called in results of format 1, and what they are called now."""

from typing import Any

RENAMED: dict[str, str] = {
    "batch": "batch_size",
    "clip": "max_grad_norm",
    "optimiser": "optimizer",
    "trace": "gae_lambda",
    "ratio": "clip_range",
    "epochs": "update_epochs",
    "entropy": "ent_coef",
    "spread": "sigma",
    "labels": "train_fraction",
    "pieces": "distractors",
    "piece": "distractor_size",
}


# Every recipe of then had one of these.
SIGNS = ("batch", "clip", "optimiser", "trace")


def settings(recipe: dict[str, Any]) -> dict[str, Any]:
    """The settings of a result, old or new, under the names that they have now.

    An option that a row took then and another takes now is that of its row: SNES's spread.
    """
    if not any(sign in recipe for sign in SIGNS):
        return dict(recipe)
    if recipe.get("estimator") != "snes":
        recipe = {name: value for name, value in recipe.items() if name != "spread"}
    else:
        recipe = {name: value for name, value in recipe.items() if name != "sigma"}
    return {RENAMED.get(name, name): value for name, value in recipe.items()}
