"""Lines of progress, on a terminal or in a file: how far it is and how long it still takes.

On a terminal a line keeps to its width: the name gives way first, never bar, percentage or time.
"""

import heapq
import re
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

NAME, BAR, WIDE_BAR, TIME = 12, 10, 40, 8  # characters: at least, at least, at most, at least
REPORT = re.compile(
    r"  +(\d+\.\d) %  [\d,]+ of [\d,]+ images  .*  (?:(\d+) days?, )?(\d+):(\d\d):(\d\d) left  "
)


def report_line(name: str, seen: int, total: int, rate: str, left: str, note: str) -> str:
    """Where a run is, for a file."""
    share = f"{100 * seen / total:5.1f} %  {seen:,} of {total:,} images"
    return f"{name}  {share}  {rate}  {left} left  {note}"


def reported(text: str) -> tuple[float, float] | None:
    """The share of a run that is over and the seconds that are left, from a `report_line` of it;
    None of other text.
    """
    found = REPORT.search(text)
    if found is None:
        return None
    days, hours, minutes, seconds = (int(number or 0) for number in found.groups()[1:])
    left = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    return float(found[1]) / 100, left.total_seconds()


def lasting(seconds: float) -> str:
    """A time as 0:01:23."""
    return str(timedelta(seconds=round(seconds)))


def shortened(name: str, room: int) -> str:
    """The name in no more cells than that, its middle left out: a seed is at its end."""
    from rich.cells import cell_len

    head, tail = name[: (len(name) + 1) // 2], name[(len(name) + 1) // 2 :]
    if cell_len(name) <= room:
        return name
    while head + tail and cell_len(f"{head}…{tail}") > room:
        head, tail = (head[:-1], tail) if len(head) > len(tail) else (head, tail[1:])
    return f"{head}…{tail}"


def fitted(width: int, name: str, left: str, notes: Sequence[str]) -> tuple[str, int, str]:
    """What stands in a line of that width: the name, how long the bar is, and the notes.

    notes: the dearest last; the first are left out where a name would be shorter than `NAME`.
    """
    from rich.cells import cell_len

    kept, least = list(notes), min(cell_len(name), NAME)
    while True:
        note = "  ".join(kept)
        # Percentage and time, and a space after each of the first four parts.
        room = width - len("100%") - max(len(left), TIME) - cell_len(note) - 4
        if not kept or room >= least + BAR:
            break
        kept.pop(0)
    bar = max(min(BAR, room - least), 1)
    shown = shortened(name, max(room - bar, 1))
    return shown, max(bar, min(WIDE_BAR, room - cell_len(shown))), note


class Bar:
    """One live line on stderr, which other lines scroll past."""

    def __init__(self, name: str, total: float, console: Any = None):
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

        self.name = name
        self.bar = BarColumn(BAR)
        # No markup: a name may have brackets.
        self.live = Progress(
            TextColumn("{task.description}", markup=False),
            self.bar,
            TaskProgressColumn(),
            TextColumn("{task.fields[left]}", markup=False),
            TextColumn("{task.fields[note]}", markup=False),
            console=console or Console(stderr=True),
            refresh_per_second=4,
        )
        self.live.add_task(name, total=total, left="-:--:--", note="")
        self.update(0.0)

    def start(self) -> None:
        """Show it from now on."""
        self.live.start()

    def update(self, done: float, left: str = "-:--:--", notes: Sequence[str] = ()) -> None:
        """So much of the total is done."""
        name, self.bar.bar_width, note = fitted(self.live.console.width, self.name, left, notes)
        self.live.update(
            self.live.task_ids[0], description=name, completed=done, left=left, note=note
        )

    def say(self, text: str) -> None:
        """A line above it."""
        self.live.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def stop(self) -> None:
        """Leave the terminal to others."""
        self.live.stop()


class Overall:
    """How many of several runs are over, and when all will be; from the lines that each prints.

    A run says what share of it is over and what is left. One that never did was done before, or
    failed, and is no measure of the others. workers: runs at a time, in their order.
    """

    def __init__(
        self,
        count: int,
        workers: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: float = 15.0,
    ):
        self.count, self.workers, self.clock, self.pause = count, workers, clock, pause
        self.began: dict[int, float] = {}
        self.share: dict[int, float] = {}
        self.takes: dict[int, float] = {}  # in all, as far as is known
        self.over: set[int] = set()
        self.lock = threading.Lock()
        self.told = clock()
        self.bar = Bar("all runs", count) if sys.stderr.isatty() else None

    def __enter__(self) -> "Overall":
        if self.bar is not None:
            self._tell()
            self.bar.start()
        return self

    def __exit__(self, *reason: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def begin(self, run: int) -> None:
        """That run begins."""
        with self.lock:
            self.began[run] = self.clock()

    def hear(self, run: int, text: str) -> None:
        """It printed that line, which is passed on."""
        with self.lock:
            self._say(text)
            report = reported(text)
            if report is None:
                return
            now = self.clock()
            self.share[run], self.takes[run] = report[0], now - self.began[run] + report[1]
            if self.bar is not None or now - self.told >= self.pause:
                self._tell()

    def end(self, run: int) -> None:
        """It is over."""
        with self.lock:
            self.over.add(run)
            if run in self.takes:
                self.takes[run] = self.clock() - self.began[run]
            self._tell()

    def left(self) -> float | None:
        """Seconds until all are over, if each of those that wait takes as long as the mean."""
        if len(self.over) == self.count:
            return 0.0
        if not self.takes:
            return None
        now, mean = self.clock(), sum(self.takes.values()) / len(self.takes)
        going = [run for run in self.began if run not in self.over]
        busy = [max(self.takes.get(run, mean) - (now - self.began[run]), 0.0) for run in going]
        busy += [0.0] * (self.workers - len(busy))
        heapq.heapify(busy)
        for _ in range(self.count - len(self.began)):
            heapq.heapreplace(busy, busy[0] + mean)
        return max(busy)

    def _tell(self) -> None:
        self.told, left = self.clock(), self.left()
        words = "-:--:--" if left is None else lasting(left)
        over = f"{len(self.over)} of {self.count} runs"
        going = sum(share for run, share in self.share.items() if run not in self.over)
        done = len(self.over) + going
        if self.bar is not None:
            self.bar.update(done, words, [over])
        else:
            share = 100 * done / max(self.count, 1)
            said = "" if left is None else f", about {words} left"
            self._say(f"all runs  {share:5.1f} %  {over}{said}")

    def _say(self, text: str) -> None:
        if self.bar is not None:
            self.bar.say(text.rstrip("\n"))
        else:
            print(text.rstrip("\n"), file=sys.stderr, flush=True)
