"""What a run's folder holds is one recipe, and no other may use it: `claim`."""

import json
import math
from pathlib import Path

from hardattn import storage
from hardattn.report import format_1

from ..command_line.words import overrides
from ..kinds import Json, Value
from ..recipe import Recipe, RunOptions, UsageError
from ..recipes import RECIPES


def claim(folder: Path, name: str, recipe: Recipe, run: RunOptions, command: str) -> None:
    """Write down what runs here; refuse if something else already did."""
    path = folder / "recipe.json"
    if path.exists():
        if differ := differences(folder, recipe, run):
            raise UsageError(
                f"{folder} holds a run of another recipe ({'; '.join(differ)}): "
                "choose another --out, or delete it"
            )
        return
    told = plain(recipe.settings()) | {"seed": run.seed} | origin(name, recipe)
    storage.replace_text(path, json.dumps(told, indent=1) + "\n")
    storage.replace_text(folder / "command.txt", command + "\n")


def differences(folder: Path, recipe: Recipe, run: RunOptions) -> list[str]:
    """In what the run of a folder is another one, in words; [] where it is this."""
    settings = plain(recipe.settings()) | {"seed": run.seed}
    before = format_1.settings(json.loads((folder / "recipe.json").read_text()))
    before.pop("origin", None)  # the settings tell it all
    return [
        f"{key} was {before.get(key)!r}, is {settings.get(key)!r}"
        for key in sorted(before.keys() | settings.keys())
        if before.get(key) != settings.get(key)
    ]


def origin(name: str, recipe: Recipe) -> Json:
    """Which recipe it is, and what was changed in it, as data, to run it again from; {} of none."""
    base = name.partition(",")[0]
    if base not in RECIPES:
        return {}
    return {"origin": {"recipe": base, "overrides": plain(overrides(base, recipe))}}


def controls_of(name: str, recipe: Recipe) -> Json:
    """The names of the runs that are its controls, where the recipe names any; else {}."""
    _, comma, changes = name.partition(",")
    names = [f"{control}{comma}{changes}" for control in recipe.controls]
    return {"compared_with": names} if names else {}


def plain(settings: Json) -> Json:
    """The same as JSON has it everywhere: infinities as words, several values as a list."""

    def as_json(value: Value) -> Value | list[Value]:
        if isinstance(value, tuple):
            return list(value)
        return str(value) if isinstance(value, float) and not math.isfinite(value) else value

    return {key: as_json(value) for key, value in settings.items()}
