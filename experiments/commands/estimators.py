"""Bias, noise and cost of every gradient estimator, side by side: what to know before choosing one.

One small agent looks twice at scattered digits; its second look is a choice among nine cells, a
mask of nine patches, or a point of the plane. Prints the table, and writes a page with the picture.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..command_line.command import Command
from ..options.wording import at_least


@dataclass(frozen=True)
class Options:
    """How much is measured."""

    place: tuple[Literal["cells", "mask", "point"], ...] = ("cells", "mask", "point")
    """Kinds of the second look."""
    train: int = 200
    """Exact updates before."""
    calls: int = 300
    """Gradients of each."""
    batch: int = 64
    """Scenes of a gradient."""
    seed: int = 0
    out: Path = Path("runs")
    """Folder of the page."""
    save: bool = False
    """Write experiments/results/studies/gradients.json, too."""

    def __post_init__(self) -> None:
        at_least(self, 2, "calls", "batch")
        at_least(self, 0, "train")


def run(given: Options) -> int:
    """Measure, print, draw, and save if asked."""
    import torch

    from hardattn.device import tune
    from hardattn.storage import replace_text

    from ..records.machine import made_with
    from ..studies.estimators import SAVED, measure, picture

    product = tune(threads=1)
    rows = []
    for kind in given.place:
        rows += measure(
            kind,
            given.train,
            given.calls,
            given.batch,
            given.seed,
            lambda text: print(text, flush=True),
        )
    made = made_with(torch.device("cpu"), 1, product)
    result = {"rows": rows, "calls": given.calls, "batch": given.batch, "made_with": made}
    given.out.mkdir(parents=True, exist_ok=True)
    replace_text(given.out / "gradients.html", picture(result))
    print(given.out / "gradients.html")
    if given.save:
        replace_text(SAVED, json.dumps(result, indent=1) + "\n")
        print(SAVED.name)
    return 0


COMMAND = Command("estimators", "measure bias and noise of every estimator", Options, run)
