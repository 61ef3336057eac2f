"""The result of a run as a record: read and checked once, whatever its format.

Format 2 says as data which recipe it came from and what was changed of it, `origin`; its command is
there for people. Format 1 had the command alone: `upgraded` makes the one of the other.
"""

import math
import shlex
from dataclasses import dataclass
from typing import Any

from hardattn.report.format_1 import RENAMED, settings

FORMAT = 2
WANTED: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "title": str,
    "seed": int,
    "command": str,
    "recipe": dict,
    "sees": str,
    "scenes": str,
    "world": dict,
    "parameters": int,
    "figures": dict,
    "training": dict,
    "made_with": dict,
}
WORLD: dict[str, type | tuple[type, ...]] = {
    "looks": int,
    "pixels_per_look": int,
    "sensor": str,
    "image": list,
    "classes": list,
}
FIGURES: dict[str, type | tuple[type, ...]] = {
    "n": int,
    "error": (float, int),
    "error_after": list,
    "looks": (float, int),
}
# How commands began, and begin; of Stable-Baselines3 the agent was the word after.
COMMANDS = {
    "python -m experiments.run ": "hardattn train ",
    "python -m experiments.sb3 ": "hardattn train sb3-",
    "python -m hardattn.experiments train ": "hardattn train ",
}
CELLS = ("cells", "patches", "pairs")  # sensors whose places are weights over cells
Metrics = dict[str, Any]  # of one pass, by the name of the metric


class ReportError(ValueError):
    """Something given to the report is no finished run; the message names it and the way out."""


@dataclass(frozen=True)
class Result:
    """One training seed: what it is, what it was measured to do, and where that comes from.

    Args:
        name: Of the run, which seeds share: its recipe's, and what was changed of it.
        title: For people.
        seed: Of the training.
        command: What makes the run again, for people to copy.
        recipe: Its settings, by name.
        origin: The name of its recipe and what was changed of it, {"recipe", "overrides"}.
        compared_with: Names of the runs that are its controls, where its recipe names any.
        sees: How much of the image its agent was told.
        scenes: What it was tested on, in words.
        data: The hash of these data, "" where nobody noted it.
        world: Looks, sensor, image and classes.
        parameters: How many weights its agent has.
        flops: Operations for one image, None where nobody counted them.
        metrics: Figures of each pass: greedy, sampled, averaged; None of one that was not made.
        controls: Figures with the agent's maps replaced.
        cost: Times and memory.
        training: Seconds, images and the curve of validation errors.
        made_with: Versions and machine.
        sources: What is known of the code that trained it.
        stored: All of it as in a file of FORMAT.
    """

    name: str
    title: str
    seed: int
    command: str
    recipe: dict[str, Any]
    origin: dict[str, Any]
    compared_with: tuple[str, ...]
    sees: str
    scenes: str
    data: str
    world: dict[str, Any]
    parameters: int
    flops: float | None
    metrics: dict[str, Metrics]
    controls: dict[str, Metrics]
    cost: dict[str, Any]
    training: dict[str, Any]
    made_with: dict[str, Any]
    sources: dict[str, Any]
    stored: dict[str, Any]

    @property
    def greedy(self) -> Metrics:
        """Figures of the pass as in use."""
        return self.metrics["greedy"]

    @property
    def boxed(self) -> bool:
        """Whether its scenes say where the target is."""
        return _boxed(self.stored)


def record(result: dict[str, Any]) -> Result:
    """A result that was checked, of any format, as a record."""
    stored = as_known(upgraded(result))
    training = stored["training"]
    return Result(
        **{key: stored[key] for key in ("name", "title", "seed", "command", "recipe", "sees")},
        **{key: stored[key] for key in ("scenes", "world", "parameters", "made_with")},
        origin=stored.get("origin") or {},
        compared_with=tuple(stored.get("compared_with") or ()),
        data=str(stored.get("data") or ""),
        flops=stored.get("flops"),
        metrics=stored["figures"],
        controls=stored.get("controls") or {},
        cost=stored.get("cost") or {},
        training=training,
        sources=dict(training.get("sources") or stored.get("sources") or {}),
        stored=stored,
    )


def checked(result: Any, where: str) -> Result:
    """The record of a result, if it has what the report reads. Raises ReportError."""
    if not isinstance(result, dict) or "figures" not in result:
        raise ReportError(f"{where}: not the result of a run")
    if result.get("format") not in (1, FORMAT):
        raise ReportError(
            f"{where}: format {result.get('format')!r}, and this version reads 1 and {FORMAT}"
        )
    _check_fields(result, WANTED, where, "")
    _check_fields(result["world"], WORLD, where, "world.")
    greedy = result["figures"].get("greedy")
    if not isinstance(greedy, dict):
        raise ReportError(f"{where}: no figures.greedy; run it again")
    _check_fields(greedy, FIGURES, where, "figures.greedy.")
    return record(result)


def upgraded(result: dict[str, Any]) -> dict[str, Any]:
    """A result as FORMAT has it: of format 1 its command and settings under today's names, and
    which recipe they change, read from that command; one of FORMAT as it is.
    """
    if result.get("format") == FORMAT:
        return result
    recipe = settings(result["recipe"])
    command = _command(result["command"])
    return {
        **result,
        "format": FORMAT,
        "command": command,
        "recipe": recipe,
        "origin": result.get("origin") or _origin(command, recipe),
    }


def _command(old: str) -> str:
    """A command under today's names."""
    for begin, now in COMMANDS.items():
        if old.startswith(begin):
            words = (now + old.removeprefix(begin)).split(" ")
            return " ".join(_flag(word) for word in words)
    return old


def _flag(word: str) -> str:
    if not word.startswith("--"):
        return word
    key = word[2:].replace("-", "_")
    return f"--{RENAMED[key].replace('_', '-')}" if key in RENAMED else word


def _origin(command: str, recipe: dict[str, Any]) -> dict[str, Any]:
    """The recipe that a command names and the settings that it changes; {} of another command."""
    try:
        words = shlex.split(command)
    except ValueError:  # a quote that does not end
        return {}
    if words[:2] != ["hardattn", "train"] or len(words) < 3:
        return {}
    given = [word[2:].partition("=")[0].replace("-", "_") for word in words if word[:2] == "--"]
    changed = {key: recipe[key] for key in given if key in recipe}
    return {"recipe": words[2], "overrides": changed}


def _boxed(result: dict[str, Any]) -> bool:
    """Whether its scenes say where the target is."""
    from hardattn.problem import SCENES

    kind = SCENES.get(result["recipe"].get("scene"))
    return kind is None or kind.boxed or bool(result.get("boxed"))


def as_known(result: dict[str, Any]) -> dict[str, Any]:
    """The result, without figures of targets where nobody knows their place.

    Older versions took the whole image for the target, which every look hit.
    """
    if _boxed(result):
        return result
    from hardattn.evaluation.metrics import OF_BOXES

    def known(figures: Any) -> Any:
        if not isinstance(figures, dict):
            return figures
        return {name: None if name in OF_BOXES else one for name, one in figures.items()}

    kept = {
        part: {key: known(figures) for key, figures in result[part].items()}
        for part in ("figures", "controls")
        if isinstance(result.get(part), dict)
    }
    return {**result, **kept}


def _check_fields(
    part: dict[str, Any], wanted: dict[str, type | tuple[type, ...]], where: str, prefix: str
) -> None:
    for name, kind in wanted.items():
        if not isinstance(part.get(name), kind) or isinstance(part[name], bool):
            state = "is missing" if name not in part else f"is {part[name]!r}"
            raise ReportError(f"{where}: {prefix}{name} {state}; run it again")


def entropy(found: Any, sensor: str) -> float | None:
    """The entropy of where looks fall, as far as it is one; else None.

    Over cells it is not below 0: what is, is the density of a Dirichlet over weights, which goes
    below all bounds as one cell gets all. Of points it is that of a density, of which a look that
    is certain has none, and neither has one as good as a point.
    """
    from hardattn.evaluation.scanpath import LEAST

    if not isinstance(found, int | float) or not math.isfinite(found):
        return None
    if sensor in CELLS:
        return max(found, 0.0) if found > -1e-6 else None
    return found if found != 0 and found >= LEAST else None
