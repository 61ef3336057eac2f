"""Hand a trained agent on: `hardattn export RUN_FOLDER [--out FOLDER] [--push hub:OWNER/NAME]`.

The folder is one that the Hugging Face Hub takes as it is: model.safetensors, config.json with the
recipe, README.md with what was measured; and graphs that need no hardattn, of torch.export (*.pt2)
and ONNX (*.onnx), see hardattn/export.py.
"""

from dataclasses import dataclass
from pathlib import Path

import tyro

from ..command_line.command import Command


@dataclass(frozen=True)
class Options:
    """What is handed on, and where to."""

    run_folder: tyro.conf.Positional[Path]
    """Of one run: runs/NAME/seed-N."""
    out: Path | None = None
    """By default `deploy` in the folder of the run."""
    push: str | None = None
    """Put it there as well: hub:OWNER/NAME, a repository of models on the Hugging Face Hub, which
    is
    made if there is none (needs $HF_TOKEN); or another folder."""


def run(given: Options) -> int:
    """Write the folder, and say what is in it."""
    from ..sharing.handed_on import deploy
    from ..sharing.hub import PREFIX, push

    out = deploy(given.run_folder, given.out)
    for path in sorted(out.iterdir()):
        print(f"{path.stat().st_size:>12,}  {path}")
    if given.push is not None and given.push.startswith(PREFIX):
        print(push(out, given.push))
    elif given.push is not None:
        print(deploy(given.run_folder, Path(given.push)))
    return 0


COMMAND = Command("export", "hand a trained agent on", Options, run)
