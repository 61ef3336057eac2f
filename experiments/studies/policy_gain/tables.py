"""Policy gains that are committed, results/studies/gain.json, and README.md's table of them."""

import json
from collections.abc import Sequence
from pathlib import Path

from hardattn.report.column import estimate_text
from hardattn.report.policy_gain import LOOKS, RETRAINED, Gain, drawn
from hardattn.report.render.grid import heading, opening, row_of
from hardattn.report.titles import bare, changes, titled
from hardattn.statistics.intervals import Estimate
from hardattn.storage import replace_text

from ...kinds import Json
from ...recipes import RECIPES
from ...records.committed import STUDIES

SAVED = STUDIES / "gain.json"
# Sensors whose places are no points: what such agents look through.
THROUGH = {
    **dict.fromkeys(("cells", "patches", "pairs"), "weights over cells"),
    "whole": "a map of everything",
}
SHOWN = ("random", "shuffled", "reversed", "centre", "raster", "mean", "oracle", "foreign")


def save(done: "Sequence[Gain]", path: Path = SAVED) -> None:
    """Write what `measure.gains` found: errors and hits of every seed, no more.

    What is there of other agents stays.
    """
    agents = [
        {
            "name": gain.name,
            "title": gain.title,
            "seeds": list(gain.seeds),
            "script": gain.script,
            "own": [one["own"] for one in gain.found],
            "swaps": {name: [one["swaps"][name] for one in gain.found] for name in gain.swaps},
            "draws": gain.found[0].get("draws"),
            "left_out": gain.found[0]["left_out"],
            "retrained": [
                one["retrained"] and {key: one["retrained"][key] for key in ("order", "error")}
                for one in gain.found
            ],
        }
        for gain in done
    ]
    names = {gain.name for gain in done}
    kept = json.loads(path.read_text())["agents"] if path.exists() else []
    agents += [agent for agent in kept if agent["name"] not in names]
    replace_text(path, json.dumps({"format": 1, "agents": agents}, indent=1) + "\n")


def markdown(found: Json) -> str:
    """A row an agent of several seeds that is no control: kind by kind, as gains of several kinds
    are not of one size; those that gain most first.
    """
    gains = [_gain(agent) for agent in found["agents"]]
    shown = [one for one in gains if not one.script and len(one.seeds) > 1 and one.gain is not None]
    heads = [
        *("agent", "recipe", "seeds", "error %", "policy gain", "its looks are"),
        *SHOWN[1:],
        "best fixed path",
    ]
    lines = heading(heads, ("agent", "recipe", "its looks are"))
    for kind in sorted({kind_of(one) for one in shown}):
        lines.append(opening(kind, heads))
        here = [one for one in shown if kind_of(one) == kind]
        lines += [row for _, row in sorted(map(_row, here))]
    return "\n".join([*lines, "", *whose(drawn(gains))]) + "\n"


def kind_of(gain: Gain) -> str:
    """With whom it may be compared: on which scenes it looks, and through what."""
    against = "" if gain.reference == "random" else f", against {LOOKS[gain.reference]}"
    recipe = RECIPES.get(gain.name.partition(",")[0])
    if recipe is None:
        return f"of no recipe of today{against}"
    problem = recipe.problem
    through = THROUGH.get(problem.sensor.name, "a window")
    return f"{problem.dataset} {problem.scene.name}, through {through}{against}"


def _row(gain: Gain) -> tuple[float, str]:
    """By how much it gains, the most first; and its line."""
    gap = gain.gain
    assert gap is not None
    more = {name: gain.difference(name) for name in (*gain.swaps, RETRAINED)}
    own = [100 * one["own"]["error"] for one in gain.found]
    cells = [
        titled(bare(gain.title), changes(gain.name, gain.title)),
        f"`{gain.name}`",
        str(len(own)),
        f"{sum(own) / len(own):.1f}",
        estimate_text(gap, 1, sign=True),
        gain.verdict(gain.reference),
        *(_signed(more.get(name)) for name in (*SHOWN[1:], RETRAINED)),
    ]
    return -gap.point, row_of(cells)


def measured(results: Path) -> dict[str, Gain]:
    """By name, what is committed beside a folder of results."""
    path = results / SAVED.relative_to(STUDIES.parent)
    agents = json.loads(path.read_text())["agents"] if path.exists() else []
    return {agent["name"]: _gain(agent) for agent in agents}


def _gain(agent: Json) -> "Gain":
    """An agent of results/studies/gain.json, as it was before `save`."""
    found = tuple(
        {
            "own": own,
            "swaps": {name: errors[at] for name, errors in agent["swaps"].items()},
            "draws": agent.get("draws"),
            "left_out": agent["left_out"],
            "retrained": agent["retrained"][at],
        }
        for at, own in enumerate(agent["own"])
    )
    seeds = tuple(agent["seeds"])
    return Gain(agent["name"], agent["title"], seeds, found, (), agent["script"])


def whose(draws: set[int | None]) -> list[str]:
    """Sentences on whose random looks these are, and other images' paths."""
    said = []
    if several := sorted(filter(None, draws)):
        count = " or ".join(map(str, several))
        said.append(
            f"Random looks, and the paths of other images, are the mean of {count} draws, and each "
            "training seed has its own."
        )
    if None in draws:
        all_of_them = "Random looks, and the paths of other images,"
        some = "In agents measured before that they" if several else all_of_them
        said.append(
            f"{some} are one draw that all agents and seeds share: by its luck all gains may be a "
            "point or two too large or too small together, which no interval over seeds shows."
        )
    return said


def _signed(found: "Estimate | None") -> str:
    return "–" if found is None else f"{found.point:+.1f}".replace("-", "−")
