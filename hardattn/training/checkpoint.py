"""Checkpoints that nothing can turn into a wrong run.

One that is not vouched for does not count, and the one before is kept until its successor is; how
a file is written and vouched for, `storage` says.
"""

import warnings
from pathlib import Path
from typing import Any

import torch

from hardattn import storage
from hardattn.storage import CheckpointError, hash_of

KEEP = 2
STEP = "step-" + "[0-9]" * 9


def save(folder: Path, step: int, state: dict[str, Any]) -> Path:
    """Write `step-N.pt` and its hash, then drop all but the last two. Raises CheckpointError.

    What a crash left half-written goes as well, and so does any later step: this run has not been
    there, because its checkpoint was damaged.
    """
    path = folder / f"step-{step:09d}.pt"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        storage.write(path, state)
        kept = [each for each in _vouched(folder) if each <= path][-KEEP:]
        for old in folder.glob(f"{STEP}.pt*"):
            if old not in kept and old not in map(hash_of, kept):
                old.unlink()
    except OSError as fault:
        raise CheckpointError(f"{path}: {fault.strerror or fault}") from fault
    return path


def latest(folder: Path, device: torch.device | str = "cpu") -> tuple[int, dict[str, Any]] | None:
    """Step and state of the newest sound checkpoint; None where there is none.

    Warns of newer ones that are damaged. Raises CheckpointError if there are checkpoints and not
    one is sound: starting over in silence would overwrite what may still be saved by hand.
    """
    broken = []
    for path in reversed(_vouched(folder)):
        try:
            found = int(path.stem.removeprefix("step-")), storage.read(path, device)
        except CheckpointError as fault:
            broken.append(str(fault))
            continue
        if broken:
            warnings.warn(f"{broken[0]}. Going on from {path.name}", stacklevel=2)
        return found
    if broken:
        raise CheckpointError(broken[0])
    return None


def _vouched(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob(f"{STEP}.pt") if hash_of(path).exists())
