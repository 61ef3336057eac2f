"""In what state the runs below a folder are; nothing is changed in them."""

import fcntl
import json
import time
from pathlib import Path
from typing import NamedTuple

from hardattn.training.log import read_metrics

from ..kinds import Json
from ..recipe import UsageError


class State(NamedTuple):
    """One run."""

    folder: Path
    state: str  # finished, running, failed, stopped
    error: str
    images: int
    of: int | None  # images of the whole training
    age: float  # seconds since something was written
    why: str = ""  # it failed


def states(top: Path) -> list[State]:
    """Of every run below a folder, by name. Raises UsageError where there is none."""
    if not top.is_dir():
        raise UsageError(f"{top}: no such folder")
    found = [state(path.parent) for path in sorted(top.rglob("recipe.json"))]
    if not found:
        raise UsageError(f"{top}: no run in it")
    return found


def state(folder: Path) -> State:
    """Of the run in this folder."""
    recipe = _json(folder / "recipe.json")
    entries = read_metrics(folder)
    validated = [one["error"] for one in entries if "error" in one]
    result, failed = folder / "result.json", folder / "failed.txt"
    error = f"({100 * validated[-1]:.2f})" if validated else ""
    images = max((one.get("images", 0) for one in entries), default=0)
    name, why = "stopped", ""
    if held(folder):
        name = "running"
    elif result.exists():
        told = _json(result)
        name, images = "finished", told["training"]["images"]
        error = f"{100 * told['figures']['greedy']['error']:.2f}"
    elif (folder / "validated.json").exists():
        name, images = "finished", _json(folder / "validated.json")["training"]["images"]
    elif failed.exists():
        name, why = "failed", failed.read_text().strip()
    written = [path.stat().st_mtime for path in folder.iterdir() if path.is_file()]
    age = time.time() - max(written)
    return State(folder, name, error, images, recipe.get("images"), age, why)


def held(folder: Path) -> bool:
    """Whether a process holds the lock of a run's folder."""
    path = folder / ".lock"
    if not path.exists():
        return False
    with open(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def table(top: Path, found: list[State]) -> str:
    """A line a run, and below it why it failed."""
    rows = [("run", "state", "error %", "images", "written")]
    for one in found:
        share = f"{one.images:,}" if one.of in (None, one.images) else f"{one.images:,}/{one.of:,}"
        name = one.folder.relative_to(top).as_posix()
        rows.append((name, one.state, one.error, share, f"{ago(one.age)} ago"))
    width = [max(len(row[at]) for row in rows) for at in range(5)]
    reasons = ["", *(one.why for one in found)]
    lines = []
    for row, why in zip(rows, reasons, strict=True):
        left = f"{row[0]:{width[0]}}  {row[1]:{width[1]}}"
        right = "  ".join(f"{cell:>{width[at + 2]}}" for at, cell in enumerate(row[2:]))
        lines += [f"{left}  {right}".rstrip(), *([f"    {why}"] if why else [])]
    return "\n".join(lines)


def ago(seconds: float) -> str:
    """In the largest unit of which there is one."""
    units = (("d", 86_400), ("h", 3_600), ("min", 60))
    return next(
        (f"{seconds / each:.0f} {unit}" for unit, each in units if seconds >= each),
        f"{max(0.0, seconds):.0f} s",
    )


def _json(path: Path) -> Json:
    try:
        found = json.loads(path.read_text())
    except ValueError as fault:
        raise UsageError(f"{path}: not JSON, or cut short ({fault})") from fault
    if not isinstance(found, dict):
        raise UsageError(f"{path}: not what a run leaves there")
    return found
