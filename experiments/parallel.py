"""Several trainings side by side, each a process of its own."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any

from hardattn.data import DataError
from hardattn.evaluation import cost
from hardattn.rollout import DRAWS
from hardattn.storage import CheckpointError, replace_text
from hardattn.training.progress import Overall

from . import timing
from .folder import locked
from .parse import parse
from .recipe import RunOptions, UsageError
from .revive import RunLoader


def sweep(commands: Sequence[Sequence[str]], workers: int) -> int:
    """Run `hardattn train` with each of these arguments, `workers` at a time, in this order.

    Returns 0, or the exit code of the first that failed, after all have ended, when the times are
    taken that none could take while others trained (see `timing`). SIGINT and SIGTERM
    are passed on, and nothing new is started. Raises UsageError before anything is started.
    """
    given = [parse(list(command)) for command in commands]
    running: list[subprocess.Popen[str]] = []
    stop, overall = threading.Event(), Overall(len(commands), workers)

    def pass_on(number: int, frame: FrameType | None) -> None:
        stop.set()
        for process in running:
            process.send_signal(number)

    def one(run: int) -> int:
        if stop.is_set():
            return 130
        overall.begin(run)
        process = subprocess.Popen(
            [sys.executable, "-m", "hardattn.experiments", "train", *commands[run]],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        running.append(process)
        assert process.stderr is not None
        with process.stderr as said:
            for line in said:
                overall.hear(run, line)
        code = process.wait()
        overall.end(run)
        return code

    before = {each: signal.signal(each, pass_on) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        with overall, ThreadPoolExecutor(workers) as pool:
            codes = list(pool.map(one, range(len(commands))))
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    for command, code in zip(commands, codes, strict=True):
        if code:
            print(f"failed with exit code {code}: {' '.join(command)}", file=sys.stderr)
    if given and not stop.is_set():
        folders = [Path(run.out) / name / f"seed-{run.seed}" for name, _, run in given]
        take_times(folders, given[0][2])
    return next((code for code in codes if code), 0)


def take_times(folders: Iterable[Path], given: RunOptions) -> None:
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
    try:
        run = RunLoader(given)(folder, json.loads((folder / "result.json").read_text()))
    except (UsageError, DataError, CheckpointError) as fault:
        print(f"not timed: {fault}", file=sys.stderr)
        return {}
    with timing.alone(folder) as free:
        if free:
            draw = DRAWS[run.recipe.problem.draw]
            return cost.times(run.agent, run.setting.world, run.test, draw)
    print(f"{folder}: not timed, as others train beside it", file=sys.stderr)
    return {}


def _add(folder: Path, times: dict[str, Any]) -> None:
    with locked(folder):
        result = json.loads((folder / "result.json").read_text())
        result["cost"] |= times
        replace_text(folder / "result.json", json.dumps(result, indent=1) + "\n")
