"""What was measured of every system that docs/methods/surveys.md names, line by line."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from hardattn.report.column import estimate_text
from hardattn.report.render.grid import heading, row_of
from hardattn.report.rows import Row, Table

from ..recipes import RECIPES
from ..records.committed import RESULTS, runs_of
from .soft.results import SAVED as SOFT, Standing as InOneNetwork, standings as of_soft
from .tasks.plan import ERROR, TASKS, Asked
from .tasks.results import over_seeds, standing

PAGE = Path(__file__).resolve().parents[2] / "docs" / "methods" / "surveys.md"
# Of this recipe every block and head is an option, and no result of it says anything of one system.
ANY = "soft-long"
HEADERS = ("system", "what was trained", "seeds", "result", "minus control", "verdict")
CODE = re.compile(r"`([^`]+)`")
# Verdicts of tables of classes say whether a row beats its control.
BESIDE = {"yes": "beats it", "no": "cannot be told"}


def markdown(results: Path = RESULTS, page: Path = PAGE, classes: Sequence[Table] = ()) -> str:
    """A table of all that was trained; what was not is named below it.

    classes: the tables of those that are asked for a class, where their controls are found.
    """
    table, waiting = heading(HEADERS, {*HEADERS} - {"seeds"}), []
    stand = _of_soft(results)
    beside = {row.group.name: row for one in classes for row in one.rows}
    for system, rows, recipes in lines(page.read_text(encoding="utf-8")):
        found = [
            *(one for row in rows if ANY in recipes for one in _block(row, stand)),
            *(one for name in recipes if name != ANY for one in _recipe(name, results, beside)),
        ]
        table += [row_of([system if at == 0 else "", *one]) for at, one in enumerate(found)]
        if not found:
            waiting.append(system)
    said = "\n".join(table) + "\n"
    return said + (f"\nNothing is committed yet of: {'; '.join(waiting)}.\n" if waiting else "")


def lines(text: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """Of each line of the page that says where a system is: its name, its rows, its recipes."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 6 and CODE.search(cells[4]):
            yield cells[0], CODE.findall(cells[1]), CODE.findall(cells[4])


def _of_soft(results: Path) -> list[InOneNetwork]:
    """Where every block and head stands, of the study of all of them; [] without one."""
    path = results / SOFT.relative_to(RESULTS)
    return of_soft(json.loads(path.read_text())) if path.exists() else []


def _block(row: str, stand: Sequence[InOneNetwork]) -> Iterator[list[str]]:
    """What a block or head did in one network with all others."""
    for one in stand:
        if one.row["name"] in (f"block={row}", f"head={row}") and one.error is not None:
            gap = "–" if one.minus_control is None else estimate_text(one.minus_control, 1, True)
            error = f"{estimate_text(one.error, 1)} % error"
            yield [f"`{row}`", str(len(one.row["seeds"])), error, gap, one.verdict]


def _recipe(name: str, results: Path, beside: Mapping[str, Row]) -> Iterator[list[str]]:
    """What a recipe came to, beside its control where it has one."""
    runs = runs_of(name, results)
    if not runs:
        return
    task = _task(name)
    measure = task.measures[0] if task else ERROR
    own, stands = over_seeds(runs, measure), standing(name, task, results) if task else None
    assert own is not None, f"{name}: no {measure.key}"
    gap, verdict = (stands.gain, stands.verdict) if stands else (None, "")
    if task is None and (row := beside.get(name)) is not None:
        gap, verdict = row.difference, BESIDE.get(row.verdict, row.verdict)
    yield [
        f"`{name}`",
        str(len(runs)),
        f"{estimate_text(own, measure.decimals)} {_unit(measure.head)}",
        "–" if gap is None else estimate_text(gap, measure.decimals, True),
        verdict,
    ]


def _task(name: str) -> Asked | None:
    """What a recipe asks beyond a class; None of one that asks that."""
    return next((task for task in TASKS if task.holds(RECIPES[name])), None)


def _unit(head: str) -> str:
    """What stands behind a figure: "mean IoU %" -> "% mean IoU"."""
    return f"% {head.removesuffix(' %')}" if head.endswith(" %") else head
