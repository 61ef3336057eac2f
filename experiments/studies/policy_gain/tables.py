"""Policy gains that are committed, results/studies/gain.json, and README.md's table of them."""

import json
from collections.abc import Sequence
from pathlib import Path

from hardattn.report.column import estimate_text
from hardattn.report.policy_gain import Gain, drawn
from hardattn.report.titles import bare, changes, titled
from hardattn.stats import Estimate
from hardattn.storage import replace_text

from ...kinds import Json
from ...records.committed import STUDIES

SAVED = STUDIES / "gain.json"
SHOWN = ("random", "shuffled", "reversed", "centre", "raster", "mean", "oracle", "foreign")


def save(done: "Sequence[Gain]", path: Path = SAVED) -> None:
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


def markdown(found: Json) -> str:
    """A row an agent, those that gain most first: of several seeds, and no control."""
    rows = []
    gains = [_gain(agent) for agent in found["agents"]]
    for agent in gains:
        gap = agent.gain
        if agent.script or len(agent.seeds) < 2 or gap is None:
            continue
        more = {name: agent.difference(name) for name in agent.swaps}
        own = [100 * one["own"]["error"] for one in agent.found]
        others = [_signed(more.get(name)) for name in SHOWN[1:]]
        cells = [
            titled(bare(agent.title), changes(agent.name, agent.title)),
            f"`{agent.name}`",
            str(len(own)),
            f"{sum(own) / len(own):.1f}",
            estimate_text(gap, 1, sign=True),
            agent.verdict(agent.reference),
            *others,
        ]
        rows.append((-gap.point, f"| {' | '.join(cells)} |"))
    heads = [
        *("agent", "recipe", "seeds", "error %", "policy gain", "its looks are"),
        *SHOWN[1:],
    ]
    sides = ["---", "---", "---:", "---:", "---:", "---", *["---:"] * (len(SHOWN) - 1)]
    lines = [f"| {' | '.join(heads)} |", f"| {' | '.join(sides)} |"]
    said = whose(drawn(gains))
    return "\n".join([*lines, *(line for _, line in sorted(rows)), "", *said]) + "\n"


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
