"""Trainings of a plan, one after the other: by one process, or by several that share a folder.

Who works takes the first cell that is not done and that nobody else has: a finished one is a
result.json, one that is under way is locked. So any number of processes may work in a folder, a
stopped one goes on from its checkpoint, and what is done is not done again. One that diverged is
noted, counted as a failure, and not tried again.
"""

import contextlib
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from hardattn.storage import replace_text
from hardattn.training.loop import best_of
from hardattn.training.metrics import NotFinite

from ...command_line.words import as_words, command_for, origin_of
from ...kinds import Json
from ...recipe import Recipe, RunOptions, UsageError
from ...recipes import RECIPES
from ...records import timing
from ...records.folder import Busy
from ...run import execute, work
from .plan import FULL, RATES, SEARCH_SEED, Cell, Protocol, Row, cells, kept, recipe_of

PLAN = "plan.json"
DIVERGED = "diverged.txt"
BEFORE = "before.json"  # what was spent elsewhere on what is laid into the folder
NOWHERE_ELSE = RunOptions(device="cpu")
PAUSE = 5.0  # seconds until it is asked again whether what others do is done


def folder_of(out: Path, protocol: Protocol, cell: Cell) -> Path:
    """Where a training is, and its result."""
    name, _ = recipe_of(protocol, cell)
    return out / ("search" if cell.search else "seeds") / name / f"seed-{cell.seed}"


def claim(out: Path, protocol: Protocol, root: Path | None = None) -> list[Row]:
    """The rows of this folder's plan, made where there is none. Raises UsageError of another's."""
    path = out / PLAN
    if path.exists() and (held := json.loads(path.read_text())["recipe"]) != protocol.recipe:
        raise UsageError(f"{out} holds runs of {held}, not of {protocol.recipe}: choose another")
    return kept(path, protocol, root)


def run(
    out: Path,
    protocol: Protocol,
    jobs: int,
    hours: float = math.inf,
    given: RunOptions = NOWHERE_ELSE,
) -> None:
    """Train all that is not trained yet, by so many processes, of which this is one.

    hours: of processor time, by all that is in the folder; when they are over nothing is begun.
    given: on which device, and where the data are. Raises Stopped after a signal, and what a
    training raises that failed.
    """
    rows = claim(out, protocol, given.root)
    words = [sys.executable, "-m", "hardattn.experiments", "soft", "--quiet", "--out", str(out)]
    words += ["--device", given.device, *(["--root", str(given.root)] if given.root else [])]
    words += [] if protocol == FULL else ["--quick"]
    words += [] if math.isinf(hours) else ["--hours", str(hours)]
    # Times are not taken here: whoever works says so, and others work beside it.
    with _others(words, jobs - 1) as others, timing.work():
        _through(out, protocol, rows, hours, given)
    for other in others:
        if other.returncode:
            raise UsageError(
                f"a process that worked beside this one ended with exit code {other.returncode}, "
                "as it says above; the same command goes on"
            )


@contextlib.contextmanager
def _others(words: list[str], count: int) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Processes that work in the same folder; waited for, or told to stop if this one stops."""
    running = [subprocess.Popen(words) for _ in range(count)]
    try:
        yield running
        for process in running:
            process.wait()
    finally:
        for process in running:
            if process.poll() is None:
                process.terminate()
        for process in running:
            process.wait()


def _through(
    out: Path, protocol: Protocol, rows: list[Row], hours: float, given: RunOptions
) -> None:
    """Go over all cells until each is done or has diverged, or the hours are over.

    Once the search is over its findings are asked for again, so that no row waits for the seeds of
    those that were found before it.
    """
    while True:
        waiting, rates = False, chosen(out, protocol, rows)
        planned = list(cells(protocol, rows, rates))
        for number, cell in enumerate(planned, 1):
            folder = folder_of(out, protocol, cell)
            if (folder / "result.json").exists() or (folder / DIVERGED).exists():
                continue
            if not cell.search and not waiting and chosen(out, protocol, rows) != rates:
                break
            if math.isfinite(hours) and spent(out) >= hours * 3600:
                print(f"{hours:g} core-hours are spent: nothing more is begun", flush=True)
                return
            try:
                _one(out, protocol, cell, given, f"{number} of {len(planned)}")
            except Busy:
                waiting = True
        if waiting:
            time.sleep(PAUSE)
        elif chosen(out, protocol, rows) == rates:
            return


def _one(out: Path, protocol: Protocol, cell: Cell, given: RunOptions, number: str) -> None:
    """Train and measure; in the search, train alone."""
    name, recipe = recipe_of(protocol, cell)
    folder = folder_of(out, protocol, cell)
    options = replace(given, seed=cell.seed, out=folder.parent.parent)
    origin = origin_of({"name": name}, recipe)
    command = command_for([*as_words(origin), "--seed", str(cell.seed)])
    since = time.process_time()
    try:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
            found = execute(name, recipe, options, command, searched if cell.search else work)
    except NotFinite as fault:
        replace_text(folder / DIVERGED, f"{fault}\n")
        print(f"{number}: {name} seed {cell.seed} diverged: {fault}", flush=True)
        return
    took = time.process_time() - since
    _note(folder, took)
    if cell.search:
        said = f"validation error {100 * best_of(found['training']['curve'])[1]:.1f} %"
    else:
        said = f"error {100 * found['figures']['greedy']['error']:.1f} %"
    print(f"{number}: {name} seed {cell.seed}: {said}, {took:.0f} s of processor", flush=True)


def _note(folder: Path, took: float) -> None:
    """What a training cost in all, measuring included, since it was last taken up."""
    path = folder / "result.json"
    found = json.loads(path.read_text())
    found["training"]["spent"] = round(took, 1)
    replace_text(path, json.dumps(found, indent=1) + "\n")


def spent(out: Path) -> float:
    """Seconds of processor time of all that is finished in a folder, and was before elsewhere."""
    here = sum(took(path) for path in out.glob("*/*/*/result.json"))
    return here + 3600 * float(before(out).get("core_hours", 0.0))


def took(result: Path) -> float:
    """Seconds of processor time of a finished run; 0 of one that was made elsewhere."""
    training = json.loads(result.read_text()).get("training", {})
    return float(training.get("spent", 0.0))


def note_before(out: Path, core_hours: float, own: float, made_with: list[str]) -> None:
    """Note in a folder what is committed, less the seconds of what was made in this very folder.

    That is counted by its own results.
    """
    hours = round(max(0.0, core_hours - own / 3600), 4)
    told = {"core_hours": hours, "made_with": made_with}
    replace_text(out / BEFORE, json.dumps(told) + "\n")


def before(out: Path) -> Json:
    """What is known of the runs that were not made in this folder; {} where all were."""
    path = out / BEFORE
    return dict(json.loads(path.read_text())) if path.exists() else {}


def searched(name: str, recipe: Recipe, run: RunOptions, command: str, folder: Path) -> Json:
    """Train, and tell of validation alone: the test images have no part in a search."""
    return work(name, recipe, replace(run, validate_only=True), command, folder)


def search_of(out: Path, protocol: Protocol, row: Row) -> dict[float, float | None]:
    """The best validation error by learning rate, as far as it is known; None of one diverged."""
    found: dict[float, float | None] = {}
    for rate in RATES:
        folder = folder_of(out, protocol, Cell(row, rate, SEARCH_SEED, True))
        if (folder / "result.json").exists():
            curve = json.loads((folder / "result.json").read_text())["training"]["curve"]
            found[rate] = best_of([(seen, error) for seen, error in curve])[1]
        elif (folder / DIVERGED).exists():
            found[rate] = None
    return found


def chosen(out: Path, protocol: Protocol, rows: list[Row]) -> dict[str, float]:
    """The learning rate of each row whose search is over; the smaller of two that are as good."""
    if not protocol.search:
        return {row.name: RECIPES[protocol.recipe].training.lr for row in rows}
    rates: dict[str, float] = {}
    for row in rows:
        found = search_of(out, protocol, row)
        sound = [(error, rate) for rate, error in found.items() if error is not None]
        if len(found) == len(RATES) and sound:
            rates[row.name] = min(sound)[1]
    return rates
