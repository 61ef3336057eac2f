"""Files that a power cut, a full disk or a flipped bit cannot turn into a wrong run.

Each is written to a temporary file, synced and renamed. A file of tensors is only then vouched for
by one of its SHA-256 (neither torch.save nor safetensors notices a flipped bit); without its hash,
or with another, it does not count.
"""

import errno
import hashlib
import io
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch


class CheckpointError(RuntimeError):
    """A checkpoint cannot be written or read; the message says which, why and what to do."""


def write(path: Path, state: dict[str, Any]) -> None:
    """`path` and `path`.sha256, atomically each. Raises CheckpointError; leaves no partial file."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getvalue()
    _replace(path, content)
    _replace(hash_of(path), f"{hashlib.sha256(content).hexdigest()}  {path.name}\n".encode())


def read(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """A state that `write` left. Executes nothing in the file. Raises CheckpointError."""
    try:
        content = path.read_bytes()
        expected = hash_of(path).read_text().split()[0]
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


def hash_of(path: Path) -> Path:
    """The file that vouches for this one."""
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
