"""Who may be compared with whom: the class of a run, and the runs that are controls of another."""

import inspect
from collections.abc import Sequence
from typing import Any

from hardattn.report.results import Result
from hardattn.report.runs import Group

SCRIPTS = ("random", "centre", "raster", "oracle")
FAIR = ("random", "centre", "raster", "path")  # those that are told nothing of the target
# Settings of an agent that its answers are made by, as far as agents share them.
OBSERVER = (
    *("core", "hidden", "what", "where", "filters", "filter_stride", "encoder", "features"),
    "pairs_of",
    "share",  # of the cells that a glimpse shows
)


def script(result: Result) -> str:
    """The script of a control that does not learn where to look ("random", ...); "" of others.

    "path" is one that goes along given points.
    """
    return _find_script(result.recipe, False)


def soft(result: Result) -> str | None:
    """What a recipe of soft attention attends by, "se" or "slot (head)"; None of other recipes."""
    recipe = result.recipe
    if not {"block", "head"} <= recipe.keys():
        return None
    bases = f", {recipe['bases']} bases" if recipe.get("bases") else ""
    block = [recipe["block"] + bases] if recipe["block"] != "none" else []
    head = [f"{recipe['head']} (head)"] if recipe["head"] != "mean" else []
    return " + ".join(block + head) or "no block"


def sees(result: Result) -> str:
    """The class in which it may be compared: what it was told, or the more that its looks show.

    Results say the former alone that are older than the latter's being computed.
    """
    from hardattn.sensors import SENSORS, SIGHTS, sight

    told, world = result.sees, result.world
    kind = SENSORS.get(world["sensor"])
    takes = inspect.signature(kind).parameters if kind is not None else {}
    if kind is None or told not in SIGHTS or any(world.get(each) is None for each in takes):
        return told
    sensor = kind(**{each: world[each] for each in takes})
    shown = sight(sensor, tuple(world["image"]), 1 if world.get("changes") else world["looks"])
    return max(told, shown, key=SIGHTS.index)


def controls(group: Group, here: Sequence[Group]) -> list[Group]:
    """Runs of its observer that did not learn where to look, on its scenes and in its world.

    Of each script that is told nothing of the target there is at most one, and of a script itself
    the random one alone. A control is a run of the same agent; where there is none, of the agent
    that `group`'s is a variant of, by its name and its settings, all of which it has: Ram's
    observer serves SpreadRam, and not Mram. Of several the one with the most settings in common.
    An orderly script, raster or centre, finds more than random looks with the same observer, so
    that it has to have that observer, and may not have another's.

    Of soft attention, the run with neither block nor head, all else equal. Of a run that names its
    controls, these. None where no run fits, and of random looks themselves.
    """
    mine, named = group.first.recipe, group.first.compared_with
    if named:
        return [one for one in here if one.name in named and one.scenes == group.scenes]
    if soft(group.first) is not None:
        bare = {**mine, "block": "none", "head": "mean", "bases": None}
        alike = [other for other in here if _given(other.first.recipe) == _given(bare)]
        return [other for other in alike if other is not group][:1]
    own = script(group.first)
    wanted = FAIR if not own else () if own == "random" else ("random",)
    found = []
    for name in wanted:
        fitting = [other for other in here if other is not group and _fits(other, group, name)]
        if fitting:
            found.append(min(fitting, key=lambda other: _apart(other, group)))
    return found


def _fits(other: Group, group: Group, name: str) -> bool:
    """Whether a run under that script has the observer, the scenes and the world of another."""
    mine, theirs = group.first.recipe, other.first.recipe
    return (
        script(other.first) == name
        and theirs.get("share") != 1  # who is shown all there is looks nowhere
        and other.scenes == group.scenes
        and sees(other.first) == sees(group.first)
        and _seen(other) == _seen(group)
        and str(mine.get("agent")).endswith(str(theirs.get("agent")))
        and (theirs.get("agent") == mine.get("agent") or _given(theirs).keys() <= mine.keys())
        and (name == "random" or _observer(theirs, mine) == _observer(mine, mine))
        # A path is often one agent's own, of one seed: no match for all of them.
        and (name != "path" or {*group.seeds} <= {*other.seeds})
    )


def _seen(group: Group) -> dict[str, Any]:
    """Its world. Older results do not tell the size of the images that scenes were made of."""
    return _given({**group.first.world, "source": None})


def _apart(other: Group, group: Group) -> tuple[bool, int, str]:
    mine, theirs = group.first.recipe, other.first.recipe
    differ = sum(mine.get(key) != theirs.get(key) for key in mine.keys() | theirs.keys())
    return theirs.get("agent") != mine.get("agent"), differ, other.name


def _observer(recipe: dict[str, Any], learned: dict[str, Any]) -> dict[str, Any]:
    """Of a recipe what its answers are made by; its share, where the one that learned has one.

    One that chooses how much its glimpses show has none, and every script needs one beside it.
    """
    found = {key: recipe.get(key) for key in OBSERVER}
    if learned.get("share") is None:
        del found["share"]
    return found | {"filter_stride": found["filter_stride"] or 1}


def _given(settings: dict[str, Any]) -> dict[str, Any]:
    """Without what is nothing, which is the same as not said."""
    return {key: value for key, value in settings.items() if value}


def _find_script(part: Any, under: bool) -> str:
    """The first script named by an `agent` or `script`, however deep the recipe is."""
    if isinstance(part, str):
        name = part.partition(":")[0]
        return name if under and name in (*SCRIPTS, "path") else ""
    if isinstance(part, dict):
        for key, value in part.items():
            # A world's first look may be "random" too; only who looks makes a control.
            known = under or key in ("agent", "script")
            found = _find_script(value, known and key != "first")
            if found:
                return found
    return ""
