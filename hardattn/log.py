"""What a run tells while it runs: a line of progress, metrics.jsonl, and TensorBoard.

Everything is plotted against images seen. After a restart the log is cut back to the checkpoint, so
that no point is there twice.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from hardattn import checkpoint
from hardattn.evaluate import Columns
from hardattn.scenes import Scenes


class Log:
    """Writes to `folder`; prints to stderr, redrawing one line on a terminal, a line a while else.

    size, scales: the retina, for pictures of glimpse paths; None where looks are not places.
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
        self.terminal = sys.stderr.isatty()
        self.error: float | None = None
        self.board: Any = None

    def start(self, seen: int, total: int) -> None:
        """Begin, or go on after `seen` of `total` images: later entries are dropped."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.total, self.first, self.last_line = total, seen, 0.0
        self.began = time.perf_counter()
        kept = [entry for entry in read_metrics(self.folder) if entry["images"] <= seen]
        if kept:
            self.error = kept[-1]["validation"]["error"]
        lines = "".join(json.dumps(entry) + "\n" for entry in kept)
        checkpoint.replace_text(self.folder / "metrics.jsonl", lines)
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            self._say("TensorBoard is not installed (pip install tensorboard): no event files")
        else:
            self.board = SummaryWriter(str(self.folder), purge_step=seen + 1 if seen else None)

    def progress(self, seen: int, seconds: float, loss: float) -> None:
        """Where the run is, how fast, and when it will be over."""
        now = time.perf_counter()
        if self.quiet or now - self.last_line < (0.2 if self.terminal else self.pause):
            return
        self.last_line = now
        pace = (seen - self.first) / max(now - self.began, 1e-9)
        left = time.strftime("%H:%M:%S", time.gmtime((self.total - seen) / max(pace, 1e-9)))
        error = "" if self.error is None else f"  validation error {100 * self.error:.2f} %"
        line = (
            f"{self.name}  {100 * seen / self.total:5.1f} %  {seen:,} of {self.total:,} images"
            f"  {seen / max(seconds, 1e-9):,.0f} images/s  {left} left  loss {loss:.3f}{error}"
        )
        if self.terminal:
            width = os.get_terminal_size(sys.stderr.fileno()).columns or 120
            print("\r" + line[: width - 1].ljust(width - 1), end="", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)

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
        entry: dict[str, Any] = {"images": seen, "training": training, "validation": measured}
        with open(self.folder / "metrics.jsonl", "a") as file:
            file.write(json.dumps(entry) + "\n")
            file.flush()
            os.fsync(file.fileno())
        if self.board is None:
            return
        for part in ("training", "validation"):
            for name, value in entry[part].items():
                if isinstance(value, float):
                    self.board.add_scalar(f"{part}/{name}", value, seen)
        for look, error in enumerate(measured["error_after"], 1):
            self.board.add_scalar(f"error_after_look/{look:02d}", error, seen)
        if self.retina is not None:
            for axis, name in enumerate("xy"):
                self.board.add_histogram(f"places/{name}", columns.location[:, 1:, axis], seen)
            self.board.add_image("looks", self._picture(columns, scenes), seen, dataformats="HWC")
        self.board.flush()

    def finish(self, settings: dict[str, Any], measured: dict[str, float]) -> None:
        """Hyperparameters beside the final figures, for TensorBoard's HPARAMS page."""
        self._end_line()
        if self.board is not None:
            table = "\n".join(f"| {name} | {value} |" for name, value in settings.items())
            self.board.add_text("settings", f"| setting | value |\n|---|---|\n{table}")
            plain = {
                k: v if isinstance(v, bool | int | float) else str(v) for k, v in settings.items()
            }
            self.board.add_hparams(plain, measured, run_name=".", global_step=self.total)

    def close(self) -> None:
        """Flush and let go of the files."""
        self._end_line()
        if self.board is not None:
            self.board.close()

    def _picture(self, columns: Columns, scenes: Scenes) -> Any:
        from hardattn.report.pictures import sheet

        count = min(8, len(scenes))
        assert self.retina is not None
        return sheet(scenes.slice(0, count).to("cpu"), columns, *self.retina, self.classes)

    def _say(self, line: str) -> None:
        if not self.quiet:
            self._end_line()
            print(line, file=sys.stderr, flush=True)

    def _end_line(self) -> None:
        if self.terminal and not self.quiet and self.last_line:
            print(file=sys.stderr)
            self.last_line = 0.0


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
