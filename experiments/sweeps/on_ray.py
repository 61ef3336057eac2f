"""Trainings on the machines of a Ray cluster (https://ray.io), which need not share a disk.

The folder here is the truth, and that of a machine there only a place to work. A training is sent
what is here already, and sends back its folder after each of its checkpoints, whole. So where its
machine is lost, it goes on elsewhere from the last checkpoint that came, and the same command goes
on if the one who asked was lost as well. Each machine needs the same version of hardattn, and its
data.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from hardattn import __version__

from ..kinds import Json
from ..recipe import UsageError
from ..records.folder import Busy, locked
from .parallel import Training

TRIES = 6  # on machines that are lost before anything came
CALLS = 3  # until a cluster answers; one that is busy is slow to
PAUSE = 1.0  # seconds between questions how it goes
APART = (".lock",)
Files = dict[str, bytes]


class News(NamedTuple):
    """What a training tells when it is asked."""

    lines: list[str]
    files: Files | None  # all that is in its folder; None: as before
    code: int | None  # it has ended


class Trainer:
    """One training on a machine of the cluster: an actor. It imports nothing that is slow."""

    def __init__(self, job: str, name: str, words: list[str], threads: int, files: Files):
        # All of a sweep on a machine lie beside each other, so that none takes times while others
        # train.
        self.top = Path(tempfile.gettempdir()) / f"hardattn-{job}"
        self.folder = self.top / name
        shutil.rmtree(self.folder, ignore_errors=True)
        unpack(self.folder, files)
        self.sent, self.lines = self._written(), list[str]()
        number = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
        # Here the last --out counts.
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hardattn.experiments", "train", *words, "--out", str(self.top)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **number},
            preexec_fn=_end_with_parent,
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def version(self) -> str:
        """Of hardattn on this machine."""
        return __version__

    def news(self, seconds: float) -> News:
        """What is new, after that time or as soon as it has ended."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        code = self.process.poll()
        if code is not None:
            self.reader.join()
        lines, self.lines = self.lines, []
        files, written = None, self._written()
        if code is not None or _newest(written) != _newest(self.sent):
            files = pack(self.folder)
            if code is None and self._written() != written:
                files = None  # it was about to write: next time
            else:
                self.sent = written
        if code is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            with suppress(OSError):
                self.folder.parent.rmdir()
        return News(lines, files, code)

    def stop(self, number: int) -> None:
        """Pass on a signal; it leaves a checkpoint and ends."""
        self.process.send_signal(number)

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as said:
            for line in said:
                self.lines.append(line)

    def _written(self) -> dict[str, tuple[int, int]]:
        found = {}
        for path in _files(self.folder):
            with suppress(OSError):
                known = path.stat()
                found[str(path)] = (known.st_mtime_ns, known.st_size)
        return found


def _newest(written: Json) -> str:
    """The last checkpoint that is vouched for."""
    return max(
        (name for name in written if name.endswith(".sha256") and "step-" in name), default=""
    )


def _files(folder: Path) -> list[Path]:
    found = folder.rglob("*") if folder.exists() else []
    return sorted(path for path in found if path.is_file() and path.name not in APART)


def pack(folder: Path) -> Files:
    """Every file in a run's folder, by its path in it."""
    found = {}
    for path in _files(folder):
        with suppress(OSError):  # an old checkpoint may go meanwhile
            found[path.relative_to(folder).as_posix()] = path.read_bytes()
    return found


def unpack(folder: Path, files: Files) -> None:
    """Make a run's folder what was packed, each file whole or not at all.

    Checkpoints last but one, as who goes on from an older one makes all the others anew; then the
    result. Old checkpoints go at the end.
    """

    def order(name: str) -> tuple[int, str]:
        return (name == "result.json") * 2 + ("step-" in name), name

    folder.mkdir(parents=True, exist_ok=True)
    for name in sorted(files, key=order):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.read_bytes() == files[name]:
            continue
        new = path.with_name(f".{path.name}.new")
        with open(new, "wb") as file:
            file.write(files[name])
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    for path in _files(folder):
        if path.relative_to(folder).as_posix() not in files:
            path.unlink()


def _end_with_parent() -> None:
    """On Linux: a training ends with the worker that started it, however that ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class OnRay:
    """A cluster, as a place for trainings: see `parallel.Place`."""

    own = False

    def __init__(self, address: str):
        """Join a cluster. Raises UsageError where there is none, ImportError without Ray.

        Args:
            address: `ray`, for the one that this machine belongs to (or $RAY_ADDRESS names), or
                `ray://HOST:PORT`, for one from outside.
        """
        import ray as installed

        ray: Any = installed
        where = os.environ.get("RAY_ADDRESS", "auto") if address == "ray" else address
        quiet: Json = {} if where.startswith("ray://") else {"log_to_driver": False}
        for left in reversed(range(CALLS if where.startswith("ray://") else 1)):
            try:
                ray.init(where, logging_level="ERROR", **quiet)
                break
            except (ConnectionError, RuntimeError, ValueError) as fault:
                if left:
                    continue
                why = (str(fault).splitlines() or [""])[0]
                raise UsageError(
                    f"no Ray cluster answers at {address} ({why}): start one with `ray start "
                    "--head` and say --on ray there, or --on ray://HOST:10001 elsewhere"
                ) from fault
        self.ray, self.stopping = ray, 0
        self.job = ray.get_runtime_context().get_job_id()
        there = ray.cluster_resources()
        self.gpus, self.cpus = int(there.get("GPU", 0)), int(there.get("CPU", 1))

    def workers(self, device: str) -> int:
        """How many trainings there is room for: one a GPU, if there are any, or one a core."""
        return self.gpus if self.gpus and device != "cpu" else max(1, self.cpus)

    def leave(self) -> None:
        """Trainings that still run there end."""
        self.ray.shutdown()

    def train(self, training: Training, hear: Callable[[str], None]) -> int:
        """See `parallel.Place`."""
        folder: Path = training.folder
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with locked(folder):
                return self._until_it_ends(training, hear)
        except Busy as fault:
            hear(f"error: {fault}")
            return 4
        finally:
            if [path.name for path in folder.iterdir()] == [".lock"]:
                shutil.rmtree(folder)
                with suppress(OSError):
                    folder.parent.rmdir()

    def stop(self, number: int) -> None:
        """See `parallel.Place`."""
        self.stopping = number

    def _until_it_ends(self, training: Training, hear: Callable[[str], None]) -> int:
        from ray.exceptions import RayError, RayTaskError

        again, tries = training.run.again, 0
        while tries < TRIES and not self.stopping:
            words = [word for word in training.words if word != "--again" or again]
            files = {} if again else pack(training.folder)
            before = _newest(dict.fromkeys(files))
            try:
                return self._follow(self._begun(training, words, files), training.folder, hear)
            except RayTaskError:
                raise
            except RayError as fault:
                _understand(fault)
            now = _newest(dict.fromkeys(pack(training.folder)))
            # What came anew will not be asked for once more.
            again, tries = again and now == before, 0 if now != before else tries + 1
            hear(f"{training.folder}: its machine or worker was lost; it goes on elsewhere\n")
        if self.stopping:
            return 128 + self.stopping
        hear(f"error: {TRIES} times in a row its machine or worker was lost before anything came")
        return 1

    def _begun(self, training: Training, words: list[str], files: Files) -> Any:
        """The actor, once it is there."""
        kind: Any = self.ray.remote(Trainer).options(
            num_cpus=training.run.threads,
            num_gpus=1 if self.gpus and training.run.device != "cpu" else 0,
            max_restarts=0,
            scheduling_strategy="SPREAD",
        )
        name = f"{training.name}/seed-{training.run.seed}"
        actor = kind.remote(self.job, name, words, training.run.threads, files)
        version = self.ray.get(actor.version.remote())
        if version != __version__:
            raise UsageError(
                f"a machine of the cluster has hardattn {version}, and this one {__version__}"
            )
        return actor

    def _follow(self, actor: Any, folder: Path, hear: Callable[[str], None]) -> int:
        told = False
        while True:
            if self.stopping and not told:
                self.ray.get(actor.stop.remote(self.stopping))
                told = True
            news: News = self.ray.get(actor.news.remote(PAUSE))
            for line in news.lines:
                hear(line)
            if news.files is not None:
                unpack(folder, news.files)
            if news.code is not None:
                self.ray.kill(actor)
                return news.code


def _understand(fault: Exception) -> None:
    """Raise UsageError for what would happen on every machine."""
    if "No module named" in str(fault):
        raise UsageError(
            "a machine of the cluster has no hardattn: install the same version on each"
        ) from fault
