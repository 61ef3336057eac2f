"""States to be kept, and processes that die while they are written."""

import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

import torch

CRASHED = 77


def state_of(step: int, size: int = 500) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(step)
    return {
        "agent": {"weight": torch.randn(size, generator=generator), "count": torch.tensor(step)},
        "curve": [(1, 0.5), (step, 0.25)],
        "seconds": 1.5,
    }


def forked(work: Callable[[], Any]) -> int:
    """The id of a child that does the work and exits 0, or 1 with a traceback."""
    child = os.fork()
    if child:
        return child
    try:
        work()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(1)


def in_a_child(work: Callable[[], Any]) -> int:
    """The exit code of a forked child that did the work: 0, or 1 with a traceback, or its own."""
    return os.waitstatus_to_exitcode(os.waitpid(forked(work), 0)[1])


class CrashingOS:
    """`os`, which leaves the process at the n-th of its calls that matter, before or after it."""

    def __init__(self, at: int, after: bool):
        self.at, self.after, self.count = at, after, 0

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in ("fsync", "replace"):
            return real

        def crashing(*given: Any) -> Any:
            self.count += 1
            if self.count == self.at and not self.after:
                os._exit(CRASHED)
            done = real(*given)
            if self.count == self.at:
                os._exit(CRASHED)
            return done

        return crashing
