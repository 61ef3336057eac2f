"""What of this machine one may use: cores and GPUs, as those who lend them say."""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path


def cores(root: Path = Path("/"), environment: Mapping[str, str] = os.environ) -> int:
    """How many processor cores this process may use, at least 1.

    The least of what the kernel lets it run on (taskset, cpuset), of its control group's quota
    (containers, Kubernetes), and of what SLURM has given to the task.

    Args:
        root: Where /proc and /sys lie.
        environment: Of the process.
    """
    allowed = [_affinity(), *_quotas(root)]
    given = environment.get("SLURM_CPUS_PER_TASK", "")
    if given.isdigit():
        allowed.append(int(given))
    return max(1, min(allowed))


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas(root: Path) -> list[int]:
    """Whole cores that the control groups of this process allow, its own and those around it."""
    found = []
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, name = line.split(":", 2)
        top = root / "sys/fs/cgroup"
        if controllers and "cpu" not in controllers.split(","):
            continue
        # Of version 1 each controller has a tree of its own.
        trees = [top / each for each in ("cpu,cpuacct", "cpu")] if controllers else [top]
        for tree in trees:
            inner = tree / name.lstrip("/")
            for group in (inner, *inner.parents):
                if group.is_relative_to(tree):
                    found += _quota(group)
    return found


def _quota(group: Path) -> list[int]:
    both = " ".join(_lines(group / "cpu.max")).split()
    if not both:
        names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        both = [word for name in names for word in _lines(group / name)]
    if len(both) != 2 or not (both[0].isdigit() and both[1].isdigit()):
        return []  # "max", or -1
    return [max(1, int(both[0]) // int(both[1]))]


def gpus(environment: Mapping[str, str] = os.environ) -> list[str]:
    """The GPUs that may be used, each by a word that CUDA_VISIBLE_DEVICES takes; none: []."""
    if "CUDA_VISIBLE_DEVICES" in environment:
        words = environment["CUDA_VISIBLE_DEVICES"].split(",")
        return [word.strip() for word in words if word.strip() not in ("", "-1")]
    try:
        told = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return []
    return listed(told.stdout) if told.returncode == 0 else []


def listed(text: str) -> list[str]:
    """The GPUs of `nvidia-smi -L`; of one that is divided, its parts."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if whole := re.match(r"GPU (\d+):", line):
            found[whole[1]] = []
        elif found and (part := re.search(r"\(UUID: (MIG-[^)]+)\)", line)):
            found[[*found][-1]].append(part[1])
    return [word for number, parts in found.items() for word in parts or [number]]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
