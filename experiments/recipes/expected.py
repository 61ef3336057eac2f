"""What to expect of recipes: figures of the committed results, in a small file that is installed.

`hardattn results collect` writes it anew.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..kinds import Json
from ..recipe import Recipe

FILE = Path(__file__).with_name("expected.json")


def expectation(runs: Sequence[Json]) -> Json:
    """Of all seeds of a recipe, what `expecting` tells."""
    errors = [run["figures"]["greedy"]["error"] for run in runs]
    seconds = [run["training"]["seconds"] for run in runs]
    seeds = f"mean of {len(runs)} seeds" if len(runs) > 1 else "1 seed"
    machine = runs[0]["made_with"]["processor"]
    return {
        "expect": f"{100 * sum(errors) / len(runs):.2f} % test error, {seeds}, on {machine}",
        "minutes": sum(seconds) / len(runs) / 60,
    }


def expecting(recipes: dict[str, Recipe]) -> dict[str, Recipe]:
    """The recipes, those that were measured with what is to be expected of them."""
    known = json.loads(FILE.read_text(encoding="utf-8"))
    return {name: replace(recipe, **known.get(name, {})) for name, recipe in recipes.items()}
