"""What is found of all cells, as plain values, and as it is committed."""

import json
from pathlib import Path

from hardattn.statistics.intervals import Estimate
from hardattn.storage import replace_text

from ...kinds import Json
from ...records.committed import RESULTS, STUDIES, pretty
from .cells import AGENTS, CANVASES, CELLS, MEBIBYTES, MINUTES, Cell

SAVED = STUDIES / "megapixel.json"
COSTS = "megapixel"  # what claims call the costs by canvas


def nothing() -> Json:
    """Where nothing was run: every cell is there, and of none is anything known."""
    cells = [{"name": cell.name, "agent": cell.agent, "canvas": cell.canvas} for cell in CELLS]
    return _whole([one | {"costs": None, "figures": []} for one in cells], [])


def collected(out: Path) -> Json:
    """All that is finished in a folder."""
    growth = _read(out / "growth.json")
    return _whole([_cell(out, cell) for cell in CELLS], growth["rounds"] if growth else [])


def _whole(cells: list[Json], growth: list[Json]) -> Json:
    limits = {"mebibytes": MEBIBYTES, "minutes": MINUTES}
    titles = {name: who.title for name, who in AGENTS.items()}
    told: Json = {"format": 1, "canvases": list(CANVASES), "limits": limits, "titles": titles}
    return told | {"cells": cells, "growth": growth}


def _cell(out: Path, cell: Cell) -> Json:
    folder = out / cell.name
    found = [_read(path) for path in sorted(folder.glob("figures-*.json"))]
    return {
        "name": cell.name,
        "agent": cell.agent,
        "canvas": cell.canvas,
        "costs": _read(folder / "costs.json"),
        "figures": [one for one in found if one is not None],
    }


def lay(found: Json, out: Path) -> None:
    """Write what is committed into a folder as if it had been found there, but for the weights.

    What is there already stays as it is.
    """
    if found["growth"]:
        _keep(out / "growth.json", {"rounds": found["growth"]})
    for cell in found["cells"]:
        folder = out / cell["name"]
        if cell["costs"] is not None:
            _keep(folder / "costs.json", cell["costs"])
        for one in cell["figures"]:
            _keep(folder / f"figures-{one['trained_on']}.json", one)
            if one["trained_on"] == cell["canvas"]:
                _keep(folder / "training.json", one["training"])


def _keep(path: Path, content: Json) -> None:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, json.dumps(content, indent=1) + "\n")


def _read(path: Path) -> Json | None:
    return dict(json.loads(path.read_text())) if path.exists() else None


def text_of(found: Json) -> str:
    """As it stands in a file."""
    return pretty(found) + "\n"


def read(results: Path = RESULTS) -> Json:
    """What is committed in a folder of results; `nothing` where nothing is."""
    path = results / SAVED.relative_to(RESULTS)
    found: Json = json.loads(path.read_text()) if path.exists() else nothing()
    return dict(found)


def best(cell: Json) -> Json | None:
    """Of a cell's figures those of least error, wherever the weights were trained."""
    found = ranked(cell)
    return found[0] if found else None


def ranked(cell: Json) -> list[Json]:
    """A cell's figures on as many scenes, of weights from all canvases, the least error first."""
    return sorted(cell["figures"], key=lambda one: float(one["error"]))


def error_of(cell: Json) -> Estimate | None:
    """The error in percent, with its interval; None where nothing was trained for it."""
    return None if (one := best(cell)) is None else estimate(one)


def estimate(one: Json) -> Estimate:
    """The error in percent of one of a cell's figures, with its interval."""
    error, low, high = (100 * float(one[name]) for name in ("error", "low", "high"))
    return Estimate(error, low, high, one["n"], "bootstrap")


def rounds(found: Json) -> dict[int, Json]:
    """By round of measurements, costs on the largest canvas over those on the smallest."""
    grown = {}
    for number, one in enumerate(found["growth"]):
        small, large = one["canvases"][0], one["canvases"][-1]
        ratios = {name: large[name] / small[name] for name in ("seconds", "bytes")}
        grown[number] = {"seed": number, "grown": ratios}
    return grown
