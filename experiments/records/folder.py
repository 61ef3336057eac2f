"""The folder of a run: its lock, what is left in it, and when it is taken away again."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hardattn.training.interrupt import Stopped
from hardattn.training.log import read_metrics

# What a run leaves in its folder, to be removed before the same is run again.
LEFT = (
    *("sources.json", "result.json", "metrics.jsonl", "gain.json", "characterisation.json"),
    "validated.json",
    *("model.zip", "unfinished.zip", "failed.txt"),
    *("*.pt", "*.pt.sha256", "checkpoints/step-*", "events.out.tfevents.*"),
)


class Busy(RuntimeError):
    """Another process runs in the same folder."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the kernel drops it with the process, however that ends."""
    with open(folder / ".lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            raise Busy(f"{folder} is in use by another process: wait for it, or stop it") from fault
        yield


@contextmanager
def failing(folder: Path) -> Iterator[None]:
    """Leave in the folder why a run failed, in one line, as long as it is not tried again."""
    note = folder / "failed.txt"
    note.unlink(missing_ok=True)
    try:
        yield
    except Stopped:
        raise
    except (RuntimeError, OSError) as fault:
        with suppress(OSError):  # the disk may be full
            note.write_text((str(fault).splitlines() or [type(fault).__name__])[0] + "\n")
        raise


def resumable(folder: Path) -> bool:
    """Whether there is a checkpoint that a run could go on from."""
    return any(folder.glob("checkpoints/step-*.pt"))


def clear(folder: Path) -> None:
    """Remove what a run left in its folder, and nothing else."""
    for pattern in LEFT:
        for path in folder.glob(pattern):
            path.unlink()


@contextmanager
def kept_if_used(folder: Path, *unless: type[BaseException]) -> Iterator[None]:
    """Make the folder; take it away again if nothing was done in it before something failed.

    unless: after these it stays, such as what was stopped, to go on, or diverged, to tell how.
    """
    new = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException as fault:
        done = resumable(folder) or bool(read_metrics(folder))
        if folder in new and not done and not isinstance(fault, unless):
            shutil.rmtree(folder, ignore_errors=True)
            for each in new[1:]:
                with suppress(OSError):  # others work in it by now
                    each.rmdir()
        raise


def result_name(validate_only: bool) -> str:
    """The file that a run leaves when it is finished: another one where test images had no part."""
    return "validated.json" if validate_only else "result.json"
