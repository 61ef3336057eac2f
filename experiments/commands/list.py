"""The recipes: `hardattn list` groups them by problem, `hardattn list NAME` tells all of one."""

import shutil
import textwrap
from dataclasses import dataclass

import tyro

from ..command_line.command import Command
from ..options.option import UsageError, nearest
from ..recipe import Recipe
from ..recipes import RECIPES


@dataclass(frozen=True)
class Options:
    """Which."""

    filter: tyro.conf.Positional[str] = ""
    """A recipe, of which all is told; or words that are in the name or the title of those to list,
    or in their problem."""


def run(given: Options) -> int:
    """Print them."""
    if given.filter in RECIPES:
        print(whole(given.filter, RECIPES[given.filter]))
        return 0
    words = given.filter.lower().split()
    groups: dict[str, dict[str, Recipe]] = {}
    for name, recipe in RECIPES.items():
        problem = recipe.problem.scenes()
        text = f"{name} {recipe.title} {problem}".lower()
        if all(word in text for word in words):
            groups.setdefault(problem, {})[name] = recipe
    if not groups:
        raise UsageError(f"no recipe is called {given.filter!r}: {nearest(given.filter, RECIPES)}")
    width = max(len(name) for group in groups.values() for name in group)
    for problem, group in groups.items():
        print(f"{problem}\n" + "\n".join(line(*one, width) for one in group.items()) + "\n")
    print("hardattn list NAME tells all of one; hardattn train NAME trains it")
    return 0


def line(name: str, recipe: Recipe, width: int) -> str:
    """One recipe: name, what its agent is, the error to expect, minutes of training."""
    error = recipe.expect.split(" %")[0] + " %" if " %" in recipe.expect else ""
    time = f"{recipe.minutes:.1f} min" if recipe.minutes else ""
    return f"  {name:{width}}  {recipe.title[:40]:40} {error:>8} {time:>9}".rstrip()


def whole(name: str, recipe: Recipe) -> str:
    """All of one recipe, every setting among it."""
    wide = min(100, shutil.get_terminal_size((100, 24)).columns)
    time = f" Some {recipe.minutes:.1f} minutes of training." if recipe.minutes else ""
    texts = [f"{name}: {recipe.title}", recipe.about, f"Expect: {recipe.expect}.{time}"]
    if recipe.controls:
        texts.append(f"Controls: {', '.join(recipe.controls)}.")
    settings = {key: value for key, value in recipe.settings().items() if value is not None}
    lines = [textwrap.fill(text, wide, break_on_hyphens=False) for text in texts]
    lines += ["", *(f"  {key:16} {value}" for key, value in settings.items())]
    return "\n".join([*lines, "", f"hardattn train {name}"])


COMMAND = Command("list", "list the recipes, or tell all of one", Options, run)
