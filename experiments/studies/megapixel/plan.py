"""The order in which all is done, and what of it is finished."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from hardattn import storage

from ...kinds import Json
from . import measure
from .cells import Cell


def go(cells: Sequence[Cell], out: Path, minutes: float, scenes: int, root: Path | None) -> None:
    """Costs of all, then trainings, the cheapest first, then errors; what is there stays."""
    for cell in cells:
        _costs(cell, out, root)
    if not (out / "growth.json").exists():
        _keep(out / "growth.json", measure.apart(measure.grown, root))
    if minutes > 0:
        fitting = [cell for cell in cells if "refused" not in _costs(cell, out, root)]
        for cell in sorted(fitting, key=lambda one: _costs(one, out, root)["training_seconds"]):
            if not (out / cell.name / "training.json").exists():
                measure.learn(cell, out, _costs(cell, out, root), minutes, root)
    for cell in cells:
        for source in measure.sources(cell, out):
            if not (out / cell.name / f"figures-{source.canvas}.json").exists():
                measure.judge(cell, source, out, scenes, root)


def _costs(cell: Cell, out: Path, root: Path | None) -> Json:
    path = out / cell.name / "costs.json"
    if not path.exists():
        _keep(path, measure.apart(measure.costs, cell.name, root))
        found = json.loads(path.read_text())
        print(f"{cell.name}: {found.get('refused', 'measured')}", file=sys.stderr)
    found = json.loads(path.read_text())
    return dict(found)


def _keep(path: Path, found: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    storage.replace_text(path, json.dumps(found, indent=1) + "\n")
