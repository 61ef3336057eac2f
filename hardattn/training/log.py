"""What a run tells while it runs: a line of progress, metrics.jsonl, and TensorBoard.

Everything is plotted against images seen. After a restart the log is cut back to the checkpoint, so
that no point is there twice. What TensorBoard is told at the end lies in a file of its own, ENDING,
because it is not of a number of images, and what a run that ended without a result said is void.
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

ENDING = ".finished"
PICTURES = 8  # scenes that are shown at each validation
# The Custom Scalars page: each chart shows what matches, as a rule one curve a run. TensorBoard
# merges the layouts of all runs by the titles of categories and drops charts that are equal, so
# hard and soft stand on one chart just because every run has this layout, whoever looks.
LAYOUT = {
    "hard and soft": {
        "error": ["Multiline", ["validation/error$"]],
        "looked at the target": ["Multiline", ["validation/looked$"]],
        "share of looks that hit": ["Multiline", ["validation/hit$"]],
        "calibration error": ["Multiline", ["validation/ece$"]],
        "area under risk and coverage": ["Multiline", ["validation/aurc$"]],
        "test error after each look (across: looks)": ["Multiline", ["test/error_after$"]],
    },
    "each look": {"error after each look": ["Multiline", ["error_after_look/"]]},
}


class Log:
    """Writes to `folder`; shows a bar on a terminal, and prints a line a while to any other stderr.

    retina: its size and scales, for pictures of glimpse paths; None where looks have no squares.
    quiet: print nothing. every: updates between looks at the clock.
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
    ):
        self.folder, self.name, self.retina, self.classes = folder, name, retina, classes
        self.quiet, self.every, self.pause = quiet, every, seconds_between_lines
        self.error: float | None = None
        self.board: Any = None
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
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            self._say("TensorBoard is not installed (pip install tensorboard): no event files")
        else:
            for void in self.folder.glob(f"events.out.tfevents.*{ENDING}"):
                void.unlink()
            self.board = SummaryWriter(str(self.folder), purge_step=seen + 1)
            self.board.add_custom_scalars(LAYOUT)

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
        """How learning went since the last call, for TensorBoard, and how quick it was."""
        (before, then), self.since = self.since, (seen, seconds)
        if self.board is not None:
            speed = (seen - before) / max(seconds - then, 1e-9)
            for name, value in {**means, "images_per_second": speed, "seconds": seconds}.items():
                self.board.add_scalar(f"training/{name}", value, seen)

    def validation(
        self,
        seen: int,
        training: dict[str, float],
        measured: dict[str, Any],
        columns: Columns,
        scenes: Scenes,
    ) -> None:
        """One entry of metrics.jsonl; the same, and pictures, for TensorBoard."""
        self.error = measured["error"]
        finite = {name: x if math.isfinite(x) else None for name, x in training.items()}
        entry: dict[str, Any] = {"images": seen, "training": finite, "validation": measured}
        with open(self.folder / "metrics.jsonl", "a") as file:
            file.write(json.dumps(entry) + "\n")
            file.flush()
            os.fsync(file.fileno())
        if self.board is None:
            return
        for name, value in measured.items():
            if isinstance(value, float):
                self.board.add_scalar(f"validation/{name}", value, seen)
        for look, error in enumerate(measured["error_after"], 1):
            self.board.add_scalar(f"error_after_look/{look:02d}", error, seen)
        which = chosen(columns)
        if which is not None:
            for axis, name in enumerate("xy"):
                self.board.add_histogram(f"places/{name}", columns.location[which][:, axis], seen)
        for name, picture in self._pictures(columns, scenes):
            self.board.add_image(name, picture, seen, dataformats="HWC")
        self.board.flush()

    def finish(
        self,
        settings: dict[str, Any],
        measured: dict[str, float | list[float]],
        compared: Collection[str] | None = None,
    ) -> None:
        """Hyperparameters beside the final figures, for TensorBoard's HPARAMS page; of what was
        measured after each look a curve, looks across.

        compared: which settings are hyperparameters there; all by default. None and infinity, which
        stand for no setting, are not: a column of numbers with words in it cannot be sorted.
        """
        if self.board is None:
            return
        from torch.utils.tensorboard import SummaryWriter
        from torch.utils.tensorboard.summary import hparams

        table = "\n".join(f"| {name} | {value} |" for name, value in settings.items())
        plain = {
            name: value if isinstance(value, bool | int | float) else str(value)
            for name, value in settings.items()
            if (compared is None or name in compared) and _is_set(value)
        }
        single = {name: value for name, value in measured.items() if not isinstance(value, list)}
        with SummaryWriter(str(self.folder), filename_suffix=ENDING) as board:
            board.add_text("settings", f"| setting | value |\n|---|---|\n{table}")
            for summary in hparams(plain, single):
                board.file_writer.add_summary(summary, self.total)
            for name, value in measured.items():
                if isinstance(value, list):
                    for look, each in enumerate(value, 1):
                        board.add_scalar(name, each, look)
                else:
                    board.add_scalar(name, value, self.total)

    def close(self) -> None:
        """Flush, and let go of the files and the terminal."""
        if self.bar is not None:
            self.bar.stop()
        if self.board is not None:
            self.board.close()

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

    def _say(self, line: str) -> None:
        if not self.quiet:
            print(line, file=sys.stderr, flush=True)


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
