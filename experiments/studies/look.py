"""Pictures of how trained agents look at image files: what `hardattn look` writes."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from hardattn.looking.look import Looked, Subject, look_at
from hardattn.viz.looks import frames, gif, png, sheet_of, stacked
from hardattn.viz.looks_page import page

from ..sharing.subjects import load


class Asked(Protocol):
    """What is asked for: the options of `hardattn look`, which tell what each means."""

    @property
    def run(self) -> str: ...
    @property
    def pictures(self) -> Sequence[Path]: ...
    @property
    def out(self) -> Path: ...
    @property
    def against(self) -> str | None: ...
    @property
    def fit(self) -> str: ...
    @property
    def paper(self) -> bool: ...
    @property
    def seed(self) -> int: ...
    @property
    def saliency(self) -> bool: ...


def look(given: Asked) -> Iterator[str]:
    """Write what the options of the command ask for; yield the lines that it prints.

    Raises UsageError, CheckpointError, OSError.
    """
    names = [given.run, *([] if given.against is None else [given.against])]
    subjects = [load(name) for name in names]
    looked = [[_look(one, path, given) for one in subjects] for path in given.pictures]
    for path, several in zip(given.pictures, looked, strict=True):
        for one in several:
            yield f"{path.name}: {one.subject.name} says {_said(one)}"
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_bytes(drawn(looked, given.out.suffix.lower(), _command(given)))
    yield f"{given.out}: drawn"


def drawn(looked: Sequence[Sequence[Looked]], suffix: str, command: str) -> bytes:
    """The file with that ending of pictures at which one or two looked."""
    if suffix == ".html":
        return page(looked, command).encode()
    if suffix == ".gif":
        films = [frames(each) for each in looked]
        most = max(map(len, films))
        held = [[*film, *[film[-1]] * (most - len(film))] for film in films]
        return gif([stacked(together) for together in zip(*held, strict=True)])
    return png(stacked([sheet_of(each) for each in looked]))


def _look(subject: Subject, path: Path, given: Asked) -> Looked:
    return look_at(
        subject,
        path,
        fit=given.fit,
        paper=given.paper,
        seed=given.seed,
        saliency=given.saliency,
    )


def _said(looked: Looked) -> str:
    best = ", ".join(f"{answer} ({100 * share:.0f} %)" for answer, share in looked.best())
    count = looked.looks
    return best if count == 1 else f"{best} after {count} looks"


def _command(given: Asked) -> str:
    words = ["hardattn", "look", given.run, *map(str, given.pictures), "--out", str(given.out)]
    words += [] if given.against is None else ["--against", given.against]
    words += [] if given.fit == "letterbox" else ["--fit", given.fit]
    words += ["--paper"] if given.paper else []
    words += ["--seed", str(given.seed)] if given.seed else []
    return shlex.join(words + ([] if given.saliency else ["--saliency", "False"]))
