"""What a run tells while it runs: a line of progress, metrics.jsonl, and trackers.

Everything is plotted against images seen. After a restart the log is cut back to the checkpoint, so
that no point is there twice.
"""

import json
import math
import os
import sys
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from hardattn import storage
from hardattn.data.memory import at_once
from hardattn.evaluation.evaluate import Columns
from hardattn.evaluation.scanpath import chosen
from hardattn.scenes import Scenes
from hardattn.training.progress import Bar, lasting, report_line
from hardattn.training.tracking import Ending, Tracker, trackers

PICTURES = 8  # scenes that are shown at each validation


class Log:
    """Writes to `folder`; shows a bar on a terminal, and prints a line a while to any other stderr.

    retina: its size and scales, for pictures of glimpse paths; None where looks have no squares.
    quiet: print nothing. every: updates between looks at the clock. tracked: who is told, rows of
    `tracking.TRACKERS`.
    """

    def __init__(
        self,
        folder: Path,
        name: str = "",
        *,
        retina: tuple[int, int] | None = None,
        classes: tuple[str, ...] = (),
        quiet: bool = False,
        every: int = 20,
        seconds_between_lines: float = 15.0,
        tracked: tuple[str, ...] = ("tensorboard",),
    ):
        self.folder, self.name, self.retina, self.classes = folder, name, retina, classes
        self.quiet, self.every, self.pause = quiet, every, seconds_between_lines
        self.error: float | None = None
        self.tracked = tracked
        self.trackers: list[Tracker] = []
        self.bar: Any = None

    def start(self, seen: int, total: int, seconds: float = 0.0) -> None:
        """Begin, or go on after `seen` of `total` images: later entries are dropped.

        seconds: of training so far.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.total, self.first, self.last_line = total, seen, 0.0
        self.began, self.since = time.perf_counter(), (seen, seconds)
        if sys.stderr.isatty() and not self.quiet:
            self.bar = Bar(self.name, total)
            self.bar.update(seen)
            self.bar.start()
        kept = [entry for entry in read_metrics(self.folder) if entry["images"] <= seen]
        if kept:
            self.error = kept[-1]["validation"]["error"]
        lines = "".join(json.dumps(entry) + "\n" for entry in kept)
        storage.replace_text(self.folder / "metrics.jsonl", lines)
        self.trackers = trackers(self.tracked, self.folder, self.name)
        for each in self.trackers:
            each.start(seen)

    def progress(self, seen: int, seconds: float, loss: float) -> None:
        """Where the run is, how fast, and when it will be over."""
        if self.quiet:
            return
        now = time.perf_counter()
        rate = f"{seen / max(seconds, 1e-9):,.0f} images/s"
        pace = (seen - self.first) / max(now - self.began, 1e-9)
        left = lasting((self.total - seen) / max(pace, 1e-9))
        error = [] if self.error is None else [f"error {100 * self.error:.2f} %"]
        if self.bar is not None:
            self.bar.update(seen, left, [rate, f"loss {loss:.3f}", *error])
        elif now - self.last_line >= self.pause:
            self.last_line = now
            note = "  ".join([f"loss {loss:.3f}", *(f"validation {each}" for each in error)])
            said = report_line(self.name, seen, self.total, rate, left, note)
            print(said, file=sys.stderr, flush=True)

    def training(self, seen: int, seconds: float, means: dict[str, float]) -> None:
        """How learning went since the last call, for trackers, and how quick it was."""
        (before, then), self.since = self.since, (seen, seconds)
        speed = (seen - before) / max(seconds - then, 1e-9)
        values = {**means, "images_per_second": speed, "seconds": seconds}
        self._scalars({f"training/{name}": value for name, value in values.items()}, seen)

    def validation(
        self,
        seen: int,
        training: dict[str, float],
        measured: dict[str, Any],
        columns: Columns,
        scenes: Scenes,
    ) -> None:
        """One entry of metrics.jsonl; the same, and pictures, for trackers."""
        self.error = measured["error"]
        finite = {name: x if math.isfinite(x) else None for name, x in training.items()}
        entry: dict[str, Any] = {"images": seen, "training": finite, "validation": measured}
        with open(self.folder / "metrics.jsonl", "a") as file:
            file.write(json.dumps(entry) + "\n")
            file.flush()
            os.fsync(file.fileno())
        if not self.trackers:
            return
        values = {k: value for k, value in measured.items() if isinstance(value, float)}
        scalars = {f"validation/{name}": value for name, value in values.items()}
        after = enumerate(measured["error_after"], 1)
        self._scalars(scalars | {f"error_after_look/{look:02d}": e for look, e in after}, seen)
        which = chosen(columns)
        drawn = any(each.pictures for each in self.trackers)
        pictures = list(self._pictures(columns, scenes)) if drawn else []
        for each in self.trackers:
            for axis, name in enumerate("xy") if which is not None else ():
                each.places(f"places/{name}", columns.location[which][:, axis], seen)
            for name, picture in pictures:
                each.picture(name, picture, seen)
            each.flush()

    def finish(
        self,
        settings: dict[str, Any],
        measured: dict[str, float | list[float]],
        compared: Collection[str] | None = None,
    ) -> None:
        """Tell trackers the settings and the final figures.

        compared: which settings are hyperparameters there; all by default. None and infinity, which
        stand for no setting, are not: a column of numbers with words in it cannot be sorted.
        """
        plain = {
            name: value if isinstance(value, bool | int | float) else str(value)
            for name, value in settings.items()
            if (compared is None or name in compared) and _is_set(value)
        }
        for each in self.trackers:
            each.finish(Ending(settings, plain, measured), self.total)

    def close(self) -> None:
        """Flush, and let go of the files and the terminal."""
        if self.bar is not None:
            self.bar.stop()
        for each in self.trackers:
            each.close()

    def _scalars(self, values: dict[str, float], seen: int) -> None:
        for each in self.trackers:
            each.scalars(values, seen)

    def _pictures(self, columns: Columns, scenes: Scenes) -> Iterator[tuple[str, Any]]:
        from hardattn.viz.pictures import sheet
        from hardattn.viz.tensorboard import map_sheet, places_picture, reliability_picture

        few = scenes.slice(0, min(PICTURES, at_once(scenes.shape), len(scenes))).to("cpu")
        if not columns.location.isnan().any():
            yield "looks", sheet(few, columns, *(self.retina or (0, 1)), self.classes)
        if chosen(columns) is not None:
            yield "places", places_picture(columns)
        for name, density in (("attention", columns.density), ("activation", columns.activation)):
            if density.numel():
                yield f"maps/{name}", map_sheet(few, density, columns, self.classes)
        yield "reliability", reliability_picture(columns)


def _is_set(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The entries of metrics.jsonl, without a last line that a crash cut short."""
    path = folder / "metrics.jsonl"
    entries = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            entries.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return entries
