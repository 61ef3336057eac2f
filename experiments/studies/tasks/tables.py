"""The tables of docs/results/tasks: each system on its task, beside its control."""

from collections.abc import Sequence
from pathlib import Path

from hardattn.report.column import estimate_text, quarter_text
from hardattn.report.render.grid import heading, row_of
from hardattn.statistics.intervals import Estimate

from ...kinds import Settings
from ...recipes import RECIPES
from ...records.committed import runs_of
from ..soft.tables import mixture
from .plan import ERROR, PRETEXT, TASKS, Asked, Measure
from .results import (
    VERDICTS,
    Runs,
    Standing,
    over_seeds,
    standings,
)

AROUND = (Measure("pointing", "pointing %"), Measure("energy", "energy %"))


def markdown(results: Path) -> str:
    """All tasks; a task none of whose recipes was run has its names alone."""
    return "\n\n".join([*(_section(task, results) for task in TASKS), _meaning()]) + "\n"


def _section(task: Asked, results: Path) -> str:
    stand = standings(task, results)
    run = [one for one in stand if not one.waits]
    waiting = [f"`{one.name}`" for one in stand if one.waits]
    parts = [f"## {task.title}", task.about]
    if run:
        parts.append(_table(task, run))
    parts += [
        f"### What `{one.name}` came to mix\n\n{mixture(shares)}"
        for one in run
        if (shares := [found["shares"] for found in one.runs.values() if "shares" in found])
    ]
    if task is PRETEXT and (few := _few_labels(task, results)):
        parts.append(few)
    if waiting:
        parts.append(f"Not run: {', '.join(waiting)}.")
    return "\n\n".join(parts)


def _table(task: Asked, stand: Sequence[Standing]) -> str:
    first = task.measures[0]
    told = [*task.measures[1:], *AROUND]
    shown = [one for one in told if any(over_seeds(each.runs, one) for each in stand)]
    heads = [
        *("", "recipe", "seeds", first.head, "minus control", "control"),
        *("with mean map", "with other's map", *(one.head for one in shown)),
        *("last quarter", "images", "minutes", "verdict"),
    ]
    lines = heading(heads, ("", "recipe", "control", "verdict"))
    for one in stand:
        own = over_seeds(one.runs, first)
        cells = [one.title, f"`{one.name}`", str(len(one.runs)), _text(own, first, False)]
        cells += [_text(one.gain, first, True), f"`{one.control}`" if one.control else "–"]
        cells += [_text(each, first, True) for each in one.replaced]
        cells += [_point(one.runs, each) for each in shown]
        curves = [run["training"]["curve"] for run in one.runs.values()]
        # Before a probe it is chance.
        cells.append("–" if task is PRETEXT else quarter_text(curves))
        lines.append(row_of([*cells, *_budget(one.runs), one.verdict]))
    return "\n".join(lines)


def _text(found: Estimate | None, measure: Measure, sign: bool) -> str:
    return "–" if found is None else estimate_text(found, measure.decimals, sign=sign)


def _point(runs: Runs, measure: Measure) -> str:
    """A mean over seeds, without its interval."""
    found = over_seeds(runs, measure)
    return "–" if found is None else f"{found.point:.{measure.decimals}f}"


def _budget(runs: Runs) -> list[str]:
    """Images of a seed, and minutes of a core."""
    one = next(iter(runs.values()))
    spent = [run["training"].get("cpu_seconds") for run in runs.values()]
    known = [seconds for seconds in spent if seconds is not None]
    minutes = f"{sum(known) / len(known) / 60:.1f}" if known else "–"
    return [f"{one['training']['images']:,}", minutes]


def _few_labels(task: Asked, results: Path) -> str:
    """The error by how many labels were read, of a probe and of the whole network."""
    found = _by_share(task, results)
    shares = sorted({share for of_share in found.values() for share in of_share})
    if len(shares) < 2:
        return ""
    heads = ["", "what labels move", *(f"{100 * share:g} % of labels" for share in shares)]
    lines = heading(heads, heads[:2])
    for (title, moved), of_share in found.items():
        cells = [
            _text(over_seeds(of_share.get(share, {}), ERROR), ERROR, False) for share in shares
        ]
        lines.append(row_of([title, moved, *cells]))
    return "### Few labels\n\nTest error in percent.\n\n" + "\n".join(lines)


def _by_share(task: Asked, results: Path) -> dict[tuple[str, str], dict[float, Runs]]:
    """Runs by title and what labels move, then by the share of the labels."""
    found: dict[tuple[str, str], dict[float, Runs]] = {}
    for recipe in task.recipes():
        names = [recipe, *(path.stem for path in results.glob(f"{recipe},*.json"))]
        for name in sorted(names):
            runs = runs_of(name, results)
            if not runs:
                continue
            options: Settings = next(iter(runs.values()))["recipe"]
            moved = "a linear probe" if options.get("probe", True) else "everything"
            share = float(options.get("labels", 1.0))
            found.setdefault((RECIPES[recipe].title, moved), {})[share] = runs
    return found


def _meaning() -> str:
    """What the verdicts mean."""
    return "## Verdicts\n\n" + "\n".join(f"* *{name}*: {text}." for name, text in VERDICTS.items())
