"""As few recipes as have between them all that recipes are made of."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from hardattn.experiments.recipe import Recipe, Spec


def made_of(recipe: Recipe) -> set[tuple[Any, ...]]:
    """What can fail for a recipe: who learns how, what is looked at, and what is set of each."""
    problem, specs = recipe.problem, recipe.specs()
    rows = {part: spec.name for part, spec in specs.items()}
    script = str(specs["agent"].get("script", "")).partition(":")[0]
    found: set[tuple[Any, ...]] = {
        ("learns", rows["agent"], rows["estimator"]),
        ("script", script),
        ("seen", rows["scene"], rows["sensor"], problem.task),
        ("told", problem.first, problem.context, problem.draw),
        ("data", problem.dataset),
        *rows.items(),
    }
    for part, spec in specs.items():
        found |= {(part, option) for option, value in spec.options.items() if value is not None}
    for record in (problem, recipe.training):
        for each in dataclasses.fields(record):
            value = getattr(record, each.name)
            if isinstance(value, str | bool):
                found.add((each.name, value))
            elif not isinstance(value, Spec):
                found.add((each.name, "is given" if value != each.default else "is not given"))
    return found


def one_of_each(recipes: Mapping[str, Recipe]) -> list[str]:
    """Few recipes that have between them whatever any of all is made of, in their order."""
    left = {name: made_of(recipe) for name, recipe in recipes.items()}
    missing, chosen = set().union(*left.values()), set()
    while missing:
        name = max(left, key=lambda each: len(left[each] & missing))
        missing -= left[name]
        chosen.add(name)
    return [name for name in recipes if name in chosen]
