"""Policy gains that are committed, results/studies/gain.json, and README.md's table of them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hardattn.report.columns import estimate_text
from hardattn.report.titles import bare, changes, titled
from hardattn.stats import paired_difference, within
from hardattn.storage import replace_text

from ...committed import STUDIES
from .measure import verdict

SAVED = STUDIES / "gain.json"
SHOWN = ("random", "shuffled", "reversed", "centre", "raster", "mean", "oracle", "foreign")


def save(done: Sequence[Any], path: Path = SAVED) -> None:
    """Write what `measure.gains` found: errors and hits of every seed, no more."""
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
    replace_text(path, json.dumps({"format": 1, "agents": agents}, indent=1) + "\n")


def markdown(found: dict[str, Any]) -> str:
    """A row an agent, those that gain most first: of several seeds, and no control."""
    rows = []
    for agent in found["agents"]:
        own = [100 * one["error"] for one in agent["own"]]
        reference = "random" if "random" in agent["swaps"] else "mean"
        if agent["script"] or len(own) < 2 or reference not in agent["swaps"]:
            continue
        more = {
            name: within(
                -100.0, 100.0, paired_difference([100 * one["error"] for one in swap], own)
            )
            for name, swap in agent["swaps"].items()
        }
        gain = more[reference]
        against = {"random": "random", "mean": "the mean map"}[reference]
        others = [_signed(more[name].point) if name in more else "–" for name in SHOWN[1:]]
        cells = [
            titled(bare(agent["title"]), changes(agent["name"], agent["title"])),
            f"`{agent['name']}`",
            str(len(own)),
            f"{sum(own) / len(own):.1f}",
            estimate_text(gain, 1, sign=True),
            verdict(gain, against),
            *others,
        ]
        rows.append((-gain.point, f"| {' | '.join(cells)} |"))
    heads = [
        *("agent", "recipe", "seeds", "error %", "policy gain", "its looks are"),
        *SHOWN[1:],
    ]
    sides = ["---", "---", "---:", "---:", "---:", "---", *["---:"] * (len(SHOWN) - 1)]
    lines = [f"| {' | '.join(heads)} |", f"| {' | '.join(sides)} |"]
    said = drawn({agent.get("draws") for agent in found["agents"]})
    return "\n".join([*lines, *(line for _, line in sorted(rows)), "", *said]) + "\n"


def drawn(draws: set[int | None]) -> list[str]:
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


def _signed(number: float) -> str:
    return f"{number:+.1f}".replace("-", "−")
