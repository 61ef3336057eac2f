"""Signals that ask a training to stop: it ends its update, leaves a checkpoint and says so."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Stopped(RuntimeError):
    """A signal asked to stop; a checkpoint was written. `code` is the exit code."""

    def __init__(self, message: str, code: int):
        super().__init__(message)
        self.code = code


@contextmanager
def signals(patient: bool = False) -> Iterator[list[int]]:
    """A list that gets the exit code when SIGINT or SIGTERM asks to stop; a second one kills.

    patient: it does not, as several may pass on the same one.
    """
    asked: list[int] = []
    codes = {signal.SIGINT: 130, signal.SIGTERM: 143}
    before: dict[signal.Signals, Any] = {}

    def ask(number: int, frame: FrameType | None) -> None:
        asked.append(codes[signal.Signals(number)])
        for each, handler in before.items():
            if not patient:
                signal.signal(each, handler)

    try:
        for each in codes:
            before[each] = signal.signal(each, ask)
    except ValueError:  # not in the main thread: signals are somebody else's
        pass
    try:
        yield asked
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
