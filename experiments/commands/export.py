"""Hand a trained agent on: `hardattn export RUN_FOLDER [--out FOLDER]`.

The folder is one that the Hugging Face Hub takes as it is: model.safetensors, config.json with the
recipe, README.md with what was measured; and graphs that need no hardattn, of torch.export (*.pt2)
and ONNX (*.onnx), see hardattn/export.py.
"""

from dataclasses import dataclass
from pathlib import Path

import tyro

from ..command import Command


@dataclass(frozen=True)
class Options:
    """What is handed on, and where to."""

    run_folder: tyro.conf.Positional[Path]
    """Of one run: runs/NAME/seed-N."""
    out: Path | None = None
    """By default `deploy` in the folder of the run."""


def run(given: Options) -> int:
    """Write the folder, and say what is in it."""
    from ..handed_on import deploy

    out = deploy(given.run_folder, given.out)
    for path in sorted(out.iterdir()):
        print(f"{path.stat().st_size:>12,}  {path}")
    return 0


COMMAND = Command("export", "hand a trained agent on", Options, run)
