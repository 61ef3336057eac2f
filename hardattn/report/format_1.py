"""What settings are called in results of format 1, and what they are called now."""

from typing import Any

RENAMED: dict[str, str] = {
    "batch": "batch_size",
    "clip": "max_grad_norm",
    "optimiser": "optimizer",
}


def settings(recipe: dict[str, Any]) -> dict[str, Any]:
    """The settings of a result, old or new, under the names that they have now."""
    return {RENAMED.get(name, name): value for name, value in recipe.items()}
