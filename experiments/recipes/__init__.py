"""The recipes: `hardattn train NAME`. Each says what to expect, and was measured."""

import json
from dataclasses import replace
from pathlib import Path

from ..recipe import Recipe
from . import cells, digits
from .catch import CATCH_RECIPES
from .circle_square import CIRCLE_SQUARE_RECIPES
from .clustering import CLUSTERING
from .cluttered import CLUTTERED, CLUTTERED_60
from .mnist import MNIST
from .pairs import PAIRS
from .soft import AT_ONCE
from .tokens import SELECTING

RESULTS = Path(__file__).parents[1] / "results"


def measured(name: str, recipe: Recipe) -> Recipe:
    """The recipe with what its committed result, if there is one, says to expect."""
    path = RESULTS / f"{name}.json"
    if not path.exists():
        return recipe
    runs = json.loads(path.read_text())
    errors = [run["figures"]["greedy"]["error"] for run in runs]
    seconds = [run["training"]["seconds"] for run in runs]
    seeds = f"mean of {len(runs)} seeds" if len(runs) > 1 else "1 seed"
    machine = runs[0]["made_with"]["processor"]
    return replace(
        recipe,
        expect=f"{100 * sum(errors) / len(runs):.2f} % test error, {seeds}, on {machine}",
        minutes=sum(seconds) / len(runs) / 60,
    )


_ALL: dict[str, Recipe] = {
    **digits.DIGITS.members("digits"),
    **digits.LOOKING,
    **cells.ATTENDING,
    **digits.CONTROLS,
    **cells.CONTROLS,
    **CLUTTERED,
    **MNIST.members("mnist"),
    **CLUTTERED_60.members("cluttered-60"),
    **PAIRS,
    **CIRCLE_SQUARE_RECIPES,
    **CATCH_RECIPES,
    **AT_ONCE,
    **CLUSTERING,
    **SELECTING,
}

RECIPES: dict[str, Recipe] = {name: measured(name, recipe) for name, recipe in _ALL.items()}
