"""How many images to handle at a time, and whether they fit: bounded by bytes, not by number."""

import math
import resource
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

TOGETHER = 1000  # images that are handled at a time,
BYTES = 64 * 2**20  # if they are no more than that
MAKING = 12  # bytes that a byte of a scene takes while it is made: sums of int32, and copies


def at_once(image: Sequence[int]) -> int:
    """How many images of this shape to handle at a time: 1,000, and of large ones fewer.

    It depends on their size alone, and on no machine: chunks decide which random numbers fall on
    which image.
    """
    return min(TOGETHER, max(1, BYTES // max(1, math.prod(image))))


def refuse(image: Sequence[int], each: int, total: int, device: torch.device) -> None:
    """Raise ValueError, with the sizes, if there is no memory for so many scenes.

    image: the shape of such a scene's. each: bytes of a scene. They are made on the CPU.
    """
    kept = total * each
    wanted = {torch.device("cpu"): kept + min(total, at_once(image)) * each * MAKING}
    if device.type != "cpu":
        wanted[device] = kept
    for where, needed in wanted.items():
        there = free(where)
        if there is not None and needed > there:
            size = "x".join(map(str, image))
            raise ValueError(
                f"{total:,} scenes of {size} pixels need {needed / 2**30:,.1f} GiB of memory, and "
                f"{max(0, there) / 2**30:,.1f} GiB is free on {where}: choose a smaller canvas or "
                "zoom, or fewer scenes an image (--test-draws)"
            )


def free(device: torch.device) -> int | None:
    """Bytes that are free there, for this process and others; None where nobody says."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        found = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")]
    except (OSError, ValueError, IndexError):
        return None
    return min([*found, *_left_in_container()], default=None)


def peak() -> float:
    """The most memory that this process has had, in MiB.

    Not by `ru_maxrss` where the kernel says it itself: that begins at what the parent had.
    """
    status = Path("/proc/self/status")
    if status.exists():
        found = [line.split() for line in status.read_text().splitlines() if "VmHWM" in line]
        if found:
            return int(found[0][1]) / 2**10
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)


def _left_in_container() -> list[int]:
    """What the limit of a container leaves; nothing where there is no limit."""
    top = Path("/sys/fs/cgroup")
    try:
        most, used = (int((top / f"memory.{name}").read_text()) for name in ("max", "current"))
        fields = dict(line.split() for line in (top / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return []
    return [most - used + int(fields.get("inactive_file", 0))]  # of which files can be let go
