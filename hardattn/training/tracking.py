"""Who is told how a run goes: TensorBoard, a CSV file, Weights & Biases, MLflow, or several.

A tracker is told of numbers, pictures and places against the images that were seen, and of settings
and final figures at the end. `training.log.Log` tells all that it is given; what is told must not
be told twice after a restart, so each is first told where the run goes on.
"""

import csv
import os
from collections.abc import Callable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from hardattn import storage

ENDING = ".finished"
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
Number = bool | int | float | str


class Ending(NamedTuple):
    """What is told at the end."""

    settings: Mapping[str, Any]
    compared: Mapping[str, Number]  # those settings by which runs are compared
    measured: Mapping[str, float | list[float]]  # a list of what was measured after each look

    @property
    def flat(self) -> dict[str, float]:
        """What was measured, of lists each number: test/error_after/01, ..."""
        flat: dict[str, float] = {}
        for name, value in self.measured.items():
            if isinstance(value, list):
                flat |= {f"{name}/{look:02d}": each for look, each in enumerate(value, 1)}
            else:
                flat[name] = value
        return flat


class Tracker(Protocol):
    """Who is told. A new one is a class and its row in TRACKERS."""

    pictures: bool
    """Whether it keeps pictures: where nobody does, none is drawn."""

    def start(self, seen: int) -> None:
        """A run begins, or goes on after so many images: what was told of later ones is void."""

    def scalars(self, values: Mapping[str, float], seen: int) -> None:
        """Numbers, by name."""

    def places(self, name: str, values: Any, seen: int) -> None:
        """Many numbers, of which the distribution is of interest."""

    def picture(self, name: str, picture: Any, seen: int) -> None:
        """(H, W, 3) uint8."""

    def flush(self) -> None:
        """What was told is to be seen now."""

    def finish(self, end: Ending, seen: int) -> None:
        """A run has ended, with a result."""

    def close(self) -> None:
        """Nothing more is told."""


class TensorBoard:
    """Event files in the folder of the run.

    What is told at the end lies in a file of its own, ENDING, because it is not of a number of
    images, and what a run that ended without a result said is void.
    """

    pictures = True

    def __init__(self, folder: Path, name: str):
        # First, that a package which is missing is noticed before anything is written.
        from torch.utils.tensorboard import SummaryWriter

        self.folder, self.writer = folder, SummaryWriter
        self.board: Any = None

    def start(self, seen: int) -> None:
        for void in self.folder.glob(f"events.out.tfevents.*{ENDING}"):
            void.unlink()
        self.board = self.writer(str(self.folder), purge_step=seen + 1)
        self.board.add_custom_scalars(LAYOUT)

    def scalars(self, values: Mapping[str, float], seen: int) -> None:
        for name, value in values.items():
            self.board.add_scalar(name, value, seen)

    def places(self, name: str, values: Any, seen: int) -> None:
        self.board.add_histogram(name, values, seen)

    def picture(self, name: str, picture: Any, seen: int) -> None:
        self.board.add_image(name, picture, seen, dataformats="HWC")

    def flush(self) -> None:
        self.board.flush()

    def finish(self, end: Ending, seen: int) -> None:
        """Hyperparameters beside the final figures, for the page HPARAMS; of lists a curve each,
        looks across.
        """
        from torch.utils.tensorboard.summary import hparams

        table = "\n".join(f"| {name} | {value} |" for name, value in end.settings.items())
        single = {
            name: value for name, value in end.measured.items() if not isinstance(value, list)
        }
        with self.writer(str(self.folder), filename_suffix=ENDING) as board:
            board.add_text("settings", f"| setting | value |\n|---|---|\n{table}")
            for summary in hparams(dict(end.compared), single):
                board.file_writer.add_summary(summary, seen)
            for name, value in end.measured.items():
                if isinstance(value, list):
                    for look, each in enumerate(value, 1):
                        board.add_scalar(name, each, look)
                else:
                    board.add_scalar(name, value, seen)

    def close(self) -> None:
        if self.board is not None:
            self.board.close()


class CSV:
    """log.csv in the folder of the run: images, name, value, a row a number; no pictures."""

    pictures = False
    FILE = "log.csv"
    HEAD = ("images", "name", "value")

    def __init__(self, folder: Path, name: str):
        self.path = folder / self.FILE

    def start(self, seen: int) -> None:
        text = self.path.read_text() if self.path.exists() else ""
        # A last row that a crash cut short goes with those of later images.
        whole = [row for row in csv.reader(text.splitlines()[1:]) if len(row) == len(self.HEAD)]
        kept = [row for row in whole if row[0].isdigit() and int(row[0]) <= seen]
        storage.replace_text(self.path, _lines([self.HEAD, *kept]))

    def scalars(self, values: Mapping[str, float], seen: int) -> None:
        with open(self.path, "a") as file:
            file.write(_lines([(seen, name, value) for name, value in values.items()]))

    def places(self, name: str, values: Any, seen: int) -> None:
        """Not here: a table of numbers has no distributions."""

    def picture(self, name: str, picture: Any, seen: int) -> None:
        """Not here."""

    def flush(self) -> None:
        """Each row is written at once."""

    def finish(self, end: Ending, seen: int) -> None:
        self.scalars(end.flat, seen)

    def close(self) -> None:
        """Nothing is open."""


class WandB:
    """Weights & Biases: the project "hardattn", or $WANDB_PROJECT; $WANDB_MODE=offline for later.

    A run that goes on is the same run there, by an identifier that lies in its folder.
    """

    pictures = True
    FILE = "wandb.id"

    def __init__(self, folder: Path, name: str):
        import wandb

        self.library, self.folder, self.name = wandb, folder, name
        self.run: Any = None

    def start(self, seen: int) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / self.FILE
        known = path.read_text().strip() if path.exists() and seen else ""
        self.run = self.library.init(
            project=os.environ.get("WANDB_PROJECT") or "hardattn",
            dir=str(self.folder),
            name=self.name or self.folder.name,
            id=known or None,
            resume="allow" if known else None,
        )
        storage.replace_text(path, self.run.id + "\n")
        self.run.define_metric("images")
        self.run.define_metric("*", step_metric="images")

    def scalars(self, values: Mapping[str, float], seen: int) -> None:
        self.run.log({**values, "images": seen})

    def places(self, name: str, values: Any, seen: int) -> None:
        self.run.log({name: self.library.Histogram(values.cpu().numpy()), "images": seen})

    def picture(self, name: str, picture: Any, seen: int) -> None:
        self.run.log({name: self.library.Image(picture), "images": seen})

    def flush(self) -> None:
        """It does so by itself."""

    def finish(self, end: Ending, seen: int) -> None:
        self.run.config.update(dict(end.settings), allow_val_change=True)
        self.run.summary.update(end.flat)

    def close(self) -> None:
        if self.run is not None:
            self.run.finish()


class MLflow:
    """MLflow: where $MLFLOW_TRACKING_URI says, or else MLflow itself; the experiment "hardattn", or
    $MLFLOW_EXPERIMENT_NAME. A run that goes on is the same run there.
    """

    pictures = True
    FILE = "mlflow.id"

    def __init__(self, folder: Path, name: str):
        from mlflow import MlflowClient

        self.client, self.folder, self.name = MlflowClient(), folder, name
        self.run = ""
        self.done = "FAILED"  # until it is finished

    def start(self, seen: int) -> None:
        path = self.folder / self.FILE
        if path.exists() and seen:
            self.run = path.read_text().strip()
            self.client.update_run(self.run, "RUNNING")
            return
        called = os.environ.get("MLFLOW_EXPERIMENT_NAME") or "hardattn"
        found = self.client.get_experiment_by_name(called)
        experiment = found.experiment_id if found else self.client.create_experiment(called)
        named = self.name or self.folder.name
        self.run = self.client.create_run(experiment, run_name=named).info.run_id
        self.folder.mkdir(parents=True, exist_ok=True)
        storage.replace_text(path, self.run + "\n")

    def scalars(self, values: Mapping[str, float], seen: int) -> None:
        for name, value in values.items():
            self.client.log_metric(self.run, name, value, step=seen)

    def places(self, name: str, values: Any, seen: int) -> None:
        """Not there: it keeps numbers and files."""

    def picture(self, name: str, picture: Any, seen: int) -> None:
        self.client.log_image(self.run, picture, f"{name}/{seen:09d}.png")

    def flush(self) -> None:
        """Each number is handed over at once."""

    def finish(self, end: Ending, seen: int) -> None:
        for name, value in end.settings.items():
            self.client.log_param(self.run, name, value)
        self.scalars(end.flat, seen)
        self.done = "FINISHED"

    def close(self) -> None:
        if self.run:
            self.client.set_terminated(self.run, self.done)


NOBODY = "none"  # the name that asks for no tracker at all
TRACKERS: dict[str, Callable[[Path, str], Tracker]] = {
    "tensorboard": TensorBoard,
    "csv": CSV,
    "wandb": WandB,
    "mlflow": MLflow,
}


def trackers(names: tuple[str, ...], folder: Path, name: str = "") -> list[Tracker]:
    """Those of these names, for a run in that folder; of NOBODY alone, none.

    Raises ValueError for a name that there is not, ImportError where its package is missing.
    """
    if tuple(names) == (NOBODY,):
        return []
    for each in names:
        if each == NOBODY:
            others = ", ".join(name for name in names if name != NOBODY)
            raise ValueError(f"{NOBODY} and {others} cannot both be told: give one of them")
        if each not in TRACKERS:
            choice = ", ".join((*TRACKERS, NOBODY))
            raise ValueError(f"no tracker is called {each!r}: choose from {choice}")
    return [TRACKERS[each](folder, name) for each in names]


def _lines(rows: list[Any]) -> str:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
