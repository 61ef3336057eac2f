"""What is committed of a plan, laid into a folder as if it had been run there.

A machine that has none of the runs goes on with what is lacking. Of a run there is then what the
committed file keeps of it, which is what the tables are made of; its weights and its log are not.
"""

import json

from hardattn.storage import replace_text

from ...kinds import Json
from ...recipe import UsageError
from ...records.claim import claim
from ...sweeps.search import Trial
from ..soft.measure import note_before
from .cells import Cell
from .measure import FAILED, KEPT, PATH, Given, overhead, search_of, took, training_of
from .plan import PLAN, kept
from .results import outline


def lay(found: Json, given: Given) -> None:
    """Write what is lacking of it into the folder; what was run there stays as it is.

    Raises UsageError where the file is of another plan, or of other spaces of search.
    """
    for name, value in outline(given.protocol).items():
        if found.get(name) != value:
            raise UsageError(
                f"the committed comparison has other {name}: leave --add, and begin anew"
            )
    cells = {cell.name: cell for cell in kept(given.out / PLAN, given.protocol, given.where.root)}
    agents = {(one.task, one.agent): one for one in cells.values() if not one.script}
    there = {one["name"]: one for one in found["cells"]}
    best: dict[str, Trial | None] = {}
    own = 0.0
    for name, cell in cells.items():
        told, agent = there.get(name, {}), agents[cell.task, cell.agent]
        of = there.get(agent.name, {})
        if cell.missing or not of.get("trials") or told.get("changes") != cell.changes:
            continue  # nothing was run of it, or it is another one by now
        if agent.name not in best:
            search = search_of(given, agent)
            search.take(of["trials"])
            best[agent.name] = search.best()
            trials = [search.training(one) for one in search.found()[: len(of["trials"])]]
            own += sum(took(one.result) for one in trials)
        if (trial := best[agent.name]) is not None:
            own += _lay_cell(given, cell, trial, told, of)
    note_before(given.out, found["core_hours"], own * overhead(given.out), found["made_with"])


def _lay_cell(given: Given, cell: Cell, best: Trial, told: Json, of: Json) -> float:
    """The runs of a cell, whose agent is `of`; the seconds of those that were made here."""
    own = 0.0
    paths = {run["seed"]: run["path"] for run in of["runs"] if "path" in run}
    for seed in [run["seed"] for run in told["runs"]] + told["diverged"]:
        script = paths[seed] if cell.script == "path" else ""
        training = training_of(given, cell, best, seed, script)
        own += took(training.result)
        if training.result.exists() or (training.folder / FAILED).exists():
            continue
        training.folder.mkdir(parents=True, exist_ok=True)
        claim(training.folder, training.name, training.recipe, training.run, "")
        if seed in told["diverged"]:
            replace_text(training.folder / FAILED, "diverged\n")
            continue
        run = next(one for one in told["runs"] if one["seed"] == seed)
        if "path" in run:
            replace_text(training.folder / PATH, run["path"] + "\n")
        replace_text(training.folder / KEPT, json.dumps(run) + "\n")
        content = {"training": {"curve": run["curve"]}}
        replace_text(training.result, json.dumps(content) + "\n")
    return own
