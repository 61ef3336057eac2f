"""When times are taken: once an architecture, and never beside a training of the same folder.

A processor that trains is no place to time on, even by its own clock: caches and hyperthreads are
shared. So a run that ends while others train beside it leaves its times out; `hardattn sweep` takes
them when all have ended, of one run for all of its architecture.
"""

import fcntl
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from ..kinds import Json
from ..recipe import Recipe

TAUGHT = ("training", "estimator")  # parts of a recipe that an architecture has not


def architecture(recipe: Recipe, made: Json) -> str:
    """What has the same times: the agent's settings and its problem, whatever it learned by.

    made: with what, of `run.made_with`; other versions and machines are others.
    """
    of = {flag.name: flag.value for flag in recipe.flags() if flag.part not in TAUGHT}
    rows = {part: spec.name for part, spec in recipe.specs().items() if part not in TAUGHT}
    known = {key: made.get(key) for key in ("commit", "torch", "device", "processor")}
    whole = [type(recipe.agent).__name__, rows, of, known]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:16]


def work(folder: Path) -> TextIO:
    """A file that says, as long as it is open, that somebody trains or measures in a run's folder.

    Nobody times beside it meanwhile. Waits for whoever is timing, which takes a second or two.
    """
    file = _open(folder)
    fcntl.flock(file, fcntl.LOCK_SH)
    return file


@contextmanager
def alone(folder: Path) -> Iterator[bool]:
    """Whether nobody works beside this run; if so, nobody begins to before the end."""
    with _open(folder) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _open(folder: Path) -> TextIO:
    """The lock of all runs that lie beside each other: those of FOLDER in FOLDER/NAME/seed-N."""
    top = folder.resolve().parent.parent
    top.mkdir(parents=True, exist_ok=True)
    return open(top / ".working", "w")
