"""Let a trained agent look at pictures: `hardattn look RUN PICTURE...`.

A picture is an image file of any size. It is made to fit the images that the agent was trained on
(--fit), and no data are needed. What is drawn: where it looked, in order; what it saw there; what
it believed after each look; every map that it made, by name; and of any network where Grad-CAM and
occlusion say that the answer hangs on.

The ending of --out says what is written: .png one picture, .gif an animation of the looks, .html a
page that steps through them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from ..command_line.command import Command, some
from ..options.option import UsageError

KINDS = (".png", ".gif", ".html")


@dataclass(frozen=True)
class Options:
    """Who looks, and at what."""

    run: tyro.conf.Positional[str]
    """The folder of a run (runs/NAME/seed-0), or one that `hardattn export` wrote."""
    pictures: tyro.conf.Positional[tuple[Path, ...]]
    """Image files."""
    out: Path = Path("look.png")
    """What is written; its ending says what it is: .png, .gif or .html."""
    against: str | None = None
    """Another run that looks at the same pictures, drawn below."""
    fit: Literal["letterbox", "crop", "squash", "pad"] = "letterbox"
    """How pictures are made to fit: letterbox (all of it, black beside it), crop (its middle),
    squash (proportions change), pad (its own pixels, uncut as far as there is room)."""
    paper: bool = False
    """They are of ink on paper: show white on black, as digits are here, whatever the light was."""
    seed: int = 0
    """Of the first look, where that falls anywhere."""
    saliency: bool = True
    """Draw Grad-CAM and occlusion as well."""

    def __post_init__(self) -> None:
        some(self.pictures, "PICTURE")
        if self.out.suffix.lower() not in KINDS:
            raise UsageError(f"--out {self.out}: its ending is none of {', '.join(KINDS)}")


def run(given: Options) -> int:
    """Look, write what was asked for, and print the answers."""
    from ..studies.look import look

    for line in look(given):
        print(line)
    return 0


COMMAND = Command("look", "let a trained agent look at your pictures", Options, run)
