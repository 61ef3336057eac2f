"""Several trainings side by side, each a process of its own, here or on other machines."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple, Protocol

from hardattn.data import DataError
from hardattn.evaluation import cost
from hardattn.rollout import DRAWS
from hardattn.storage import CheckpointError, replace_text
from hardattn.training.progress import Overall

from ..command_line.parse import parse
from ..kinds import Json
from ..recipe import Recipe, RunOptions, UsageError
from ..records import sources, timing
from ..records.claim import differences
from ..records.folder import locked, result_name
from ..records.states import State, state
from ..revive import RunLoader

STOPPED = (130, 143)
NOT_BEGUN = "not begun"


class Training(NamedTuple):
    """One of those that are asked for."""

    words: list[str]  # after `hardattn train`
    name: str
    recipe: Recipe
    run: RunOptions

    @property
    def folder(self) -> Path:
        """Where it leaves what it finds."""
        return Path(self.run.out) / self.name / f"seed-{self.run.seed}"

    @property
    def result(self) -> Path:
        """The file that it leaves when it is finished."""
        return self.folder / result_name(self.run.validate_only)

    @property
    def finished(self) -> bool:
        """Whether it was run before, and is not to be run again."""
        done = self.result.exists() and not self.run.again
        return done and not differences(self.folder, self.recipe, self.run)


class Place(Protocol):
    """Where trainings run. `train` is called in several threads."""

    own: bool
    """Whether it is this machine, so that times can be taken here for all."""

    def train(self, training: Training, hear: Callable[[str], None]) -> int:
        """Run it to its end, passing on the lines that it prints; its exit code."""

    def stop(self, number: int) -> None:
        """Pass a signal on to all that run."""


class Here:
    """Processes on this machine. Each has a thread or as many as it asks for, and if there are
    GPUs one of these: they go round.
    """

    own = True

    def __init__(self, workers: int, gpus: Sequence[str] = ()):
        self.running: list[subprocess.Popen[str]] = []
        self.free: queue.SimpleQueue[str] = queue.SimpleQueue()
        for slot in range(workers):
            self.free.put(gpus[slot % len(gpus)] if gpus else "")

    def train(self, training: Training, hear: Callable[[str], None]) -> int:
        """See `Place`."""
        gpu, run = self.free.get(), training.run
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(run.threads))
        visible = {"CUDA_VISIBLE_DEVICES": gpu} if gpu and run.device in ("auto", "cuda") else {}
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "hardattn.experiments", "train", *training.words],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
                env={**os.environ, **threads, **visible},
            )
            self.running.append(process)
            assert process.stderr is not None
            with process.stderr as said:
                for line in said:
                    hear(line)
            return process.wait()
        finally:
            self.free.put(gpu)

    def stop(self, number: int) -> None:
        """See `Place`."""
        for process in self.running:
            process.send_signal(number)


class Swept(NamedTuple):
    """What became of a training."""

    training: Training
    code: int | None  # None: it was never begun
    last: str  # of the lines that it printed

    @property
    def state(self) -> State:
        """As `hardattn runs` has it; of one that left no folder, what it said."""
        folder = self.training.folder
        if self.code not in (None, 0, *STOPPED):
            why = self.last.removeprefix("error: ") or f"ended by signal {-(self.code or 0)}"
            if not (folder / "recipe.json").exists():
                return State(folder, "failed", "", 0, None, 0.0, why)
            found = state(folder)
            return found._replace(state="failed", why=found.why or why)
        if (folder / "recipe.json").exists():
            return state(folder)
        return State(folder, NOT_BEGUN, "", 0, None, 0.0)


def sweep(
    commands: Sequence[Sequence[str]],
    workers: int,
    place: Place | None = None,
    tell: Callable[[list[Swept]], None] | None = None,
    enough: Callable[[], bool] = lambda: False,
) -> int:
    """Run `hardattn train` with each of these arguments, `workers` at a time, in this order.

    Returns 0, or the exit code of the first that failed, after all have ended, when the times are
    taken that none could take while others trained (see `timing`). What is finished already is not
    begun. SIGINT and SIGTERM are passed on, and nothing new is started; then the code is 130 or
    143. Raises UsageError before anything is started.

    Args:
        commands: The arguments of each.
        workers: How many at a time.
        place: Where they run; by default here.
        tell: Is given what became of each.
        enough: Asked before each: whether nothing more is to be begun.
    """
    trainings = [Training(list(words), *parse(list(words))) for words in commands]
    place = place or Here(workers)
    overall, asked = Overall(len(trainings), workers), list[int]()
    last = [""] * len(trainings)

    def pass_on(number: int, frame: FrameType | None) -> None:
        asked.append(128 + number)
        place.stop(number)

    def one(number: int) -> int | None:
        if asked or enough():
            return None
        overall.begin(number)
        try:
            return _done(trainings[number], place, hear=lambda line: heard(number, line))
        finally:
            overall.end(number)

    def heard(number: int, line: str) -> None:
        last[number] = line.strip() or last[number]
        overall.hear(number, line)

    with _handling(pass_on), overall, ThreadPoolExecutor(workers) as pool:
        codes = list(pool.map(one, range(len(trainings))))
    ended = [Swept(*each) for each in zip(trainings, codes, last, strict=True)]
    _name_failures(ended)
    if trainings and not asked:
        folders = [each.folder for each in trainings]
        take_times(folders, trainings[0].run if place.own else None)
    if tell is not None:
        tell(ended)
    if asked:
        over = f"{sum(each.code == 0 for each in ended)} of {len(ended)}"
        print(f"stopped: {over} runs are over; the same command goes on", file=sys.stderr)
        return asked[0]
    return next((code for code in codes if code), 0)


def _name_failures(ended: Iterable[Swept]) -> None:
    for each in ended:
        if each.code and each.code not in STOPPED:
            said = " ".join(each.training.words)
            print(f"failed with exit code {each.code}: {said}", file=sys.stderr)


class _handling:
    """Inside, SIGINT and SIGTERM are handled so; outside of the main thread they are not."""

    def __init__(self, handler: Callable[[int, FrameType | None], None]):
        self.handler, self.before = handler, dict[signal.Signals, Any]()

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for each in (signal.SIGINT, signal.SIGTERM):
                self.before[each] = signal.signal(each, self.handler)

    def __exit__(self, *reason: object) -> None:
        for each, handler in self.before.items():
            signal.signal(each, handler)


def _done(training: Training, place: Place, hear: Callable[[str], None]) -> int:
    """Its exit code, at once where it is finished already."""
    if training.finished:
        result = json.loads(training.result.read_text())
        hear(sources.used_again(training.folder, result))
        return 0
    return place.train(training, hear)


def take_times(folders: Iterable[Path], given: RunOptions | None) -> None:
    """Take the times that finished runs lack: of the first of each architecture, for all of it.

    A run that is not there, or that cannot be rebuilt, is passed by, with a line.

    Args:
        folders: Of the runs.
        given: How one is made alive; None: on this machine none is to be timed, and those that lack
            times only get what others of their architecture have.
    """
    waiting: dict[str, list[Path]] = {}
    known: dict[str, Json] = {}
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
        found = known.get(name) or (_timed(lacking[0], given) if given else {})
        for folder in lacking if found else ():
            _add(folder, found)


def _timed(folder: Path, given: RunOptions) -> Json:
    """The times of a finished run; {} where it cannot be rebuilt or is not alone."""
    try:
        run = RunLoader(given)(folder, json.loads((folder / "result.json").read_text()))
    except (UsageError, DataError, CheckpointError) as fault:
        print(f"not timed: {fault}", file=sys.stderr)
        return {}
    with timing.alone() as free:
        if free:
            draw = DRAWS[run.recipe.problem.draw]
            return cost.times(run.agent, run.setting.world, run.test, draw)
    print(f"{folder}: not timed, as others train beside it", file=sys.stderr)
    return {}


def _add(folder: Path, times: Json) -> None:
    with locked(folder):
        result = json.loads((folder / "result.json").read_text())
        result["cost"] |= times
        replace_text(folder / "result.json", json.dumps(result, indent=1) + "\n")
