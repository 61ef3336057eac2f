"""All recipes: what they do, how long they take, what to expect. `hardattn list`."""

import textwrap

from ..command import obey
from ..recipes import RECIPES


def main(arguments: list[str] | None = None) -> int:
    """Print the recipes."""
    for name, recipe in RECIPES.items():
        time = f"; {recipe.minutes:.1f} min" if recipe.minutes else ""
        print(f"{name}  ({recipe.title}{time})")
        for text in (recipe.about, f"Expect: {recipe.expect}."):
            print(textwrap.indent(textwrap.fill(text, 94), "    "))
        print(f"    hardattn train {name}\n")
    return 0


if __name__ == "__main__":
    obey(main)
