"""Checkpoints that a power cut, a full disk or a flipped bit cannot turn into a wrong run.

Each is written to a temporary file, synced, renamed, and only then vouched for by a file of its
SHA-256 (neither torch.save nor safetensors notices a flipped bit). One without its hash, or with
another, does not count. The one before is kept until its successor is vouched for.
"""

import errno
import hashlib
import io
import os
import shutil
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

KEEP = 2
STEP = "step-" + "[0-9]" * 9


class CheckpointError(RuntimeError):
    """A checkpoint cannot be written or read; the message says which, why and what to do."""


def save(folder: Path, step: int, state: dict[str, Any]) -> Path:
    """Write `step-N.pt` and its hash, then drop all but the last two. Raises CheckpointError.

    What a crash left half-written goes as well, and so does any later step: this run has not been
    there, because its checkpoint was damaged.
    """
    path = folder / f"step-{step:09d}.pt"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write(path, state)
        kept = [each for each in _vouched(folder) if each <= path][-KEEP:]
        for old in folder.glob(f"{STEP}.pt*"):
            if old not in kept and old not in map(_hash_of, kept):
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
            found = int(path.stem.removeprefix("step-")), read(path, device)
        except CheckpointError as fault:
            broken.append(str(fault))
            continue
        if broken:
            warnings.warn(f"{broken[0]}. Going on from {path.name}", stacklevel=2)
        return found
    if broken:
        raise CheckpointError(broken[0])
    return None


def write(path: Path, state: dict[str, Any]) -> None:
    """`path` and `path`.sha256, atomically each. Raises CheckpointError; leaves no partial file."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getvalue()
    _replace(path, content)
    _replace(_hash_of(path), f"{hashlib.sha256(content).hexdigest()}  {path.name}\n".encode())


def read(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """A state that `write` left. Executes nothing in the file. Raises CheckpointError."""
    try:
        content = path.read_bytes()
        expected = _hash_of(path).read_text().split()[0]
    except (OSError, IndexError, UnicodeDecodeError) as fault:
        raise CheckpointError(f"{path}: cannot be read with its .sha256 ({fault})") from fault
    if hashlib.sha256(content).hexdigest() != expected:
        raise CheckpointError(f"{path}: damaged, its SHA-256 differs; delete it and run again")
    try:
        return torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    except Exception as fault:  # of many kinds, when something else than `write` left the file
        kind = type(fault).__name__
        raise CheckpointError(f"{path}: is not a checkpoint of this program ({kind})") from fault


def replace_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all. Raises CheckpointError."""
    _replace(path, text.encode())


def _vouched(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob(f"{STEP}.pt") if _hash_of(path).exists())


def _hash_of(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(path.name + ".tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as fault:
        with suppress(OSError):
            temporary.unlink()
        why = fault.strerror or str(fault)
        if fault.errno == errno.ENOSPC:
            free = shutil.disk_usage(path.parent).free
            why += f": {len(content):,} bytes wanted, {free:,} free"
        raise CheckpointError(f"{path}: cannot be written ({why})") from fault
