"""Searches and trainings of a plan, side by side, as every sweep runs them.

First the search of every agent, the same number of trials for each; then a seed of all cells before
the next. The agent of a control comes along with it; where its first run is no better than a guess,
its controls are left out. What is done is not done again, and what diverged is counted and not
tried again.
"""

import dataclasses
import json
import math
import resource
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from hardattn.storage import replace_text

from ...command_line.parse import parse
from ...command_line.words import Origin, as_words, overrides
from ...kinds import Settings
from ...recipe import Recipe, RunOptions
from ...revive import RunLoader
from ...sweeps.parallel import STOPPED, Place, Swept, Training, sweep
from ...sweeps.places import place_for
from ...sweeps.search import DIVERGED, Search, Trial
from ..policy_gain.fixed_order import path_of
from ..soft.measure import before
from ..soft.plan import changed
from .cells import Cell, learned
from .plan import PLAN, Protocol, kept

SPENT = "spent.json"
FAILED = "diverged.txt"  # in the folder of a run that is not to be tried again
PATH = "path.txt"  # in that of an agent's run: where it looked on average
KEPT = "kept.json"  # in that of a run which was not made here: what is committed of it


class Given(NamedTuple):
    """How and where all of it is run."""

    out: Path
    protocol: Protocol
    jobs: int | None = None
    hours: float = math.inf
    on: str = "here"
    where: RunOptions = RunOptions(device="cpu")

    @property
    def run_words(self) -> list[str]:
        """What goes to every training."""
        words = ["--out", str(self.out), "--device", self.where.device, "--track", "csv"]
        return words + (["--root", str(self.where.root)] if self.where.root else [])


def words_of(cell: Cell, recipe: Recipe) -> list[str]:
    """The words after `hardattn train` that mean a recipe of a cell."""
    return as_words(Origin(cell.recipe, overrides(cell.recipe, recipe)))


def search_of(given: Given, cell: Cell, draw: bool = True) -> Search:
    """The search of the agent of a cell; `draw`: all of its trials are there afterwards."""
    words = [*words_of(cell, cell.full_recipe), *given.run_words]
    found = Search(words, given.protocol.trials)
    if draw:
        found.begin()
    return found


def tuned(cell: Cell, values: Settings, script: str = "") -> Recipe:
    """The recipe of a cell with the settings that were found for its agent.

    script: of a control whose path its agent's run says.
    """
    flags = {flag.name for flag in cell.full_recipe.flags()}
    found = {name: value for name, value in values.items() if name in flags}
    return changed(cell.full_recipe, found | ({"script": script} if script else {}))


def training_of(given: Given, cell: Cell, trial: Trial, seed: int, script: str = "") -> Training:
    """One run of a cell."""
    words = [*words_of(cell, tuned(cell, trial.values, script)), "--seed", str(seed)]
    words += given.run_words
    return Training(words, *parse(words))


def run(given: Given, cells: Sequence[Cell]) -> int:
    """Search and train all that is not done yet; the exit code.

    cells: of `plan.kept`, or some of them. A control's agent comes along although it is not there.
    """
    everything = kept(given.out / PLAN, given.protocol, given.where.root)
    agents = {(one.task, one.agent): one for one in everything if not one.script}
    cells = [cell for cell in cells if not cell.missing]
    of = {cell.name: agents[cell.task, cell.agent] for cell in cells}
    searches = {agent.name: search_of(given, agent) for agent in _once(of.values())}
    with place_for(given.on, given.where.device, given.jobs) as (place, jobs):
        return _through(given, cells, of, searches, place, jobs)


def _through(
    given: Given,
    cells: Sequence[Cell],
    of: dict[str, Cell],
    searches: dict[str, Search],
    place: Place,
    jobs: int,
) -> int:
    elsewhere = _elsewhere(given.out)
    begun, so_far = _children(), spent(given.out) - elsewhere

    def enough() -> bool:
        if math.isinf(given.hours):
            return False
        here = so_far + _children() - begun
        return elsewhere + max(here, _by_results(given.out)) >= given.hours * 3600

    def go(trainings: Iterable[Training], tell: Callable[[list[Swept]], None]) -> int:
        left = [one for one in trainings if not (one.finished or (one.folder / FAILED).exists())]
        commands = [list(one.words) for one in left]
        try:
            return sweep(commands, jobs, place, tell, enough) if commands else 0
        finally:
            told = json.dumps({"seconds": round(so_far + _children() - begun, 1)})
            replace_text(given.out / SPENT, told + "\n")

    def note(ended: list[Swept]) -> None:
        for search in searches.values():
            search.note(ended)

    trials = [words for search in searches.values() for words in search.commands()]
    codes = [go([Training(words, *parse(words)) for words in trials], note)]
    for seed in range(given.protocol.seeds):
        # What is known of an agent's run, such as its path, its controls have.
        for todo in (_chosen, _controls):
            if codes[-1] in STOPPED:
                return codes[-1]
            codes.append(go(todo(given, cells, of, searches, seed), _mark))
    if enough():
        print(f"{given.hours:g} core-hours are spent: nothing more is begun", flush=True)
    return next((code for code in codes if code not in (0, DIVERGED)), 0)


def _once(cells: Iterable[Cell]) -> list[Cell]:
    """Each agent once, in the order in which they come."""
    return [*{cell.name: cell for cell in cells}.values()]


def _chosen(
    given: Given, cells: Sequence[Cell], of: dict[str, Cell], searches: dict[str, Search], seed: int
) -> list[Training]:
    """A seed of the agents, and of those of controls."""
    found = []
    for agent in _once(of[cell.name] for cell in cells):
        if (best := searches[agent.name].best()) is not None:
            found.append(training_of(given, agent, best, seed))
    return found


def _controls(
    given: Given, cells: Sequence[Cell], of: dict[str, Cell], searches: dict[str, Search], seed: int
) -> list[Training]:
    """A seed of the controls; a path is that of their agent's run of the same seed."""
    found = []
    for cell in cells:
        agent = of[cell.name]
        best = searches[agent.name].best() if cell.script else None
        if best is None or not _learned(given, agent, best):
            continue
        script = path_script(given, agent, best, seed) if cell.script == "path" else ""
        if script or cell.script != "path":
            found.append(training_of(given, cell, best, seed, script))
    return found


def _learned(given: Given, agent: Cell, best: Trial) -> bool:
    """Whether the first seed that an agent has finished did better than a guess."""
    for seed in range(given.protocol.seeds):
        result = training_of(given, agent, best, seed).result
        if result.exists():
            return learned(agent.task, json.loads(result.read_text())["training"]["curve"])
    return False


def path_script(given: Given, agent: Cell, best: Trial, seed: int) -> str:
    """The mean path of an agent's finished run, which is kept beside it; "" of one not finished."""
    training = training_of(given, agent, best, seed)
    kept_in = training.folder / PATH
    if kept_in.exists():
        return kept_in.read_text().strip()
    if not training.result.exists():
        return ""
    load = RunLoader(dataclasses.replace(given.where, out=given.out))
    script = path_of(load(training.folder, json.loads(training.result.read_text())))
    replace_text(kept_in, script + "\n")
    return script


def _mark(ended: list[Swept]) -> None:
    """Note which runs diverged."""
    for each in ended:
        if each.code == DIVERGED:
            replace_text(each.training.folder / FAILED, each.last + "\n")


def _children() -> float:
    """Seconds of processor time of all processes that this one started and that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def spent(out: Path) -> float:
    """Seconds of processor time so far, of all that was started on this machine for a folder, and
    elsewhere for what is laid into it.
    """
    return _elsewhere(out) + _here(out)


def overhead(out: Path) -> float:
    """What was spent in a folder over what its results tell of, which is trainings alone."""
    return _here(out) / (_by_results(out) or 1.0)


def took(result: Path) -> float:
    """Seconds of processor time of a training; 0 of one that is not finished, or was elsewhere."""
    if not result.exists():
        return 0.0
    return float(json.loads(result.read_text())["training"].get("cpu_seconds") or 0.0)


def _here(out: Path) -> float:
    path = out / SPENT
    here = float(json.loads(path.read_text())["seconds"]) if path.exists() else 0.0
    return max(here, _by_results(out))


def _elsewhere(out: Path) -> float:
    return 3600 * float(before(out).get("core_hours", 0.0))


def _by_results(out: Path) -> float:
    """Of the trainings that are finished, wherever they ran."""
    names = ("result.json", "validated.json")
    return sum(took(path) for name in names for path in out.rglob(name))
