"""When times are taken: once an architecture, and never beside a training of the same folder.

A processor that trains is no place to time on, even by its own clock: caches and hyperthreads are
shared. So a run that ends while others train beside it leaves its times out; `hardattn sweep` takes
them when all have ended, of one run for all of its architecture.
"""

import fcntl
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .recipe import Recipe, RunOptions, UsageError

TAUGHT = ("training", "estimator")  # parts of a recipe that an architecture has not


def architecture(recipe: Recipe, made: dict[str, Any]) -> str:
    """What has the same times: the agent's settings and its problem, whatever it learned by.

    made: with what, of `run.made_with`; other versions and machines are others.
    """
    of = {flag.name: flag.value for flag in recipe.flags() if flag.part not in TAUGHT}
    rows = {part: spec.name for part, spec in recipe.specs().items() if part not in TAUGHT}
    known = {key: made.get(key) for key in ("commit", "torch", "device", "processor")}
    whole = [type(recipe.agent).__name__, rows, of, known]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:16]


def work(folder: Path) -> Any:
    """A file that says, as long as it is open, that somebody trains or measures in a run's folder.

    Nobody times beside it meanwhile. Waits for whoever is timing, which takes a second or two.
    """
    file = _open(folder)
    fcntl.flock(file, fcntl.LOCK_SH)
    return file


@contextmanager
def alone(folder: Path) -> Iterator[bool]:
    """Whether nobody works beside this run; if so, nobody begins to before the end."""
    with _open(folder) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _open(folder: Path) -> Any:
    """The lock of all runs that lie beside each other: those of FOLDER in FOLDER/NAME/seed-N."""
    top = folder.resolve().parent.parent
    top.mkdir(parents=True, exist_ok=True)
    return open(top / ".working", "w")


def fill(folders: Iterable[Path], given: RunOptions) -> None:
    """Take the times that finished runs lack: of the first of each architecture, for all of it.

    A run that is not there, or that cannot be rebuilt, is passed by, with a line.
    """
    waiting: dict[str, list[Path]] = {}
    known: dict[str, dict[str, Any]] = {}
    for folder in folders:
        path = folder / "result.json"
        costs = (json.loads(path.read_text()).get("cost") or {}) if path.exists() else {}
        name = costs.get("architecture")
        if name is None:
            continue
        if "latency" in costs:
            known.setdefault(name, {key: costs[key] for key in ("latency", "throughput")})
        else:
            waiting.setdefault(name, []).append(folder)
    for name, lacking in waiting.items():
        found = known.get(name) or _timed(lacking[0], given)
        for folder in lacking if found else ():
            _add(folder, found)


def _timed(folder: Path, given: RunOptions) -> dict[str, Any]:
    """The times of a finished run; {} where it cannot be rebuilt or is not alone."""
    from hardattn.data import DataError
    from hardattn.evaluation import cost
    from hardattn.rollout import DRAWS
    from hardattn.storage import CheckpointError

    from .revive import Revival

    try:
        run = Revival(given)(folder, json.loads((folder / "result.json").read_text()))
    except (UsageError, DataError, CheckpointError) as fault:
        print(f"not timed: {fault}", file=sys.stderr)
        return {}
    with alone(folder) as free:
        if free:
            draw = DRAWS[run.recipe.problem.draw]
            return cost.times(run.agent, run.setting.world, run.test, draw)
    print(f"{folder}: not timed, as others train beside it", file=sys.stderr)
    return {}


def _add(folder: Path, times: dict[str, Any]) -> None:
    from hardattn.storage import replace_text

    from .run import locked

    with locked(folder):
        result = json.loads((folder / "result.json").read_text())
        result["cost"] |= times
        replace_text(folder / "result.json", json.dumps(result, indent=1) + "\n")
