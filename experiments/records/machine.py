"""What a figure depends on beside its recipe: versions, the commit and the machine."""

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from ..kinds import Json


def made_with(device: torch.device, threads: int, product: str) -> Json:
    """Versions, commit and machine: what a figure depends on beside its recipe."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    return {
        "hardattn": importlib.import_module("hardattn").__version__,
        "commit": commit(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "device": device.type,
        "processor": name,
        "threads": threads,
        "matmul": product,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def commit() -> str | None:
    """The checkout's commit, with + where files differ from it; None outside a checkout."""
    here = Path(__file__).parents[1]
    try:
        commit, changes = (
            subprocess.run(
                ["git", *words], cwd=here, capture_output=True, text=True, check=True, timeout=10
            ).stdout.strip()
            for words in (["rev-parse", "--short=12", "HEAD"], ["status", "--porcelain"])
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("+" if changes else "")


def by_machine(made: Iterable[str]) -> str:
    """Commits by machine, "commits A, B on X; commit C on Y", of what says "A on X" each."""
    found: dict[str, list[str]] = {}
    for one in sorted(set(made)):
        of, _, machine = one.partition(" on ")
        found.setdefault(machine, []).append(of)
    return "; ".join(
        f"commit{'s' if len(commits) > 1 else ''} {', '.join(commits)} on {machine}"
        for machine, commits in found.items()
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"
