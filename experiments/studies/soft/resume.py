"""What is committed of a plan, laid into a folder as if it had been run there.

A machine that has none of the runs goes on with what is lacking. Of a run there is then what the
committed file keeps of it, which is what the tables are made of; its weights and its log are not.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from hardattn.storage import replace_text

from ...kinds import Json
from ...recipe import UsageError
from .measure import DIVERGED, PLAN, folder_of, note_before, took
from .plan import RATES, SEARCH_SEED, Cell, Protocol, Row, kept
from .results import Found, Measured, outline


def lay(found: Found, out: Path, protocol: Protocol) -> None:
    """Write what is lacking of it into the folder; what was run there stays as it is.

    Raises UsageError where the file is of another plan.
    """
    for name, value in outline(protocol).items():
        if found.get(name) != value:
            raise UsageError(
                f"the committed comparison has other {name} ({found.get(name)}, now {value}): "
                "leave --add, and begin anew"
            )
    rows = {row.name: row for row in kept(out / PLAN, protocol)}
    own = 0.0
    for measured in found["rows"]:
        row = rows.get(measured["name"])
        if row is None or row.changes != measured["changes"]:
            continue  # it is no more, or another one by now
        for cell, result in _cells(row, measured):
            folder = folder_of(out, protocol, cell)
            if (folder / "result.json").exists():
                own += took(folder / "result.json")
            else:
                folder.mkdir(parents=True, exist_ok=True)
                if isinstance(result, str):
                    replace_text(folder / DIVERGED, f"{result}\n")
                else:
                    replace_text(folder / "result.json", json.dumps(result) + "\n")
    note_before(out, found["core_hours"], own, found["made_with"])


def _cells(row: Row, measured: Measured) -> Iterator[tuple[Cell, Json | str]]:
    """Every training that is over, and its result; of one that diverged a word in its place."""
    for rate in RATES:
        error = measured["search"].get(str(rate), -1.0)
        if error is None:
            yield Cell(row, rate, SEARCH_SEED, True), "diverged"
        elif error >= 0:
            yield Cell(row, rate, SEARCH_SEED, True), {"training": {"curve": [[0, error]]}}
    chosen = measured["rate"]
    if chosen is None:
        return
    for at, seed in enumerate(measured["seeds"]):
        yield Cell(row, chosen, seed, False), _result(measured, at)
    for seed in measured["diverged"]:
        yield Cell(row, chosen, seed, False), "diverged"


def _result(measured: Measured, at: int) -> Json:
    """What a run's result is asked for here."""
    averaged = {name: values[at] for name, values in measured["averaged"].items()}
    found: Json = {
        "seed": measured["seeds"][at],
        "figures": {
            "greedy": {name: values[at] for name, values in measured["greedy"].items()},
            "averaged": averaged | {"passes": 2 if averaged else 1},
        },
        "controls": {name: {"error": errors[at]} for name, errors in measured["controls"].items()},
        "training": {"curve": measured["curve"][at]},
    }
    return found | ({"shares": measured["shares"][at]} if "shares" in measured else {})
