"""When times are taken: once an architecture, and never beside a training on the same machine.

A processor that trains is no place to time on, even by its own clock: caches and hyperthreads are
shared. So a run that ends while others train beside it, whatever their folders, leaves its times
out; `hardattn sweep` takes them when all have ended, of one run for all of its architecture.
"""

import fcntl
import hashlib
import json
import os
import tempfile
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


def work() -> TextIO:
    """A file that says, as long as it is open, that somebody trains or measures on this machine.

    Nobody times beside it meanwhile. Waits for whoever is timing, which takes a second or two.
    """
    file = _open()
    fcntl.flock(file, fcntl.LOCK_SH)
    return file


@contextmanager
def alone() -> Iterator[bool]:
    """Whether nobody works on this machine; if so, nobody begins to before the end."""
    with _open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _open() -> TextIO:
    """The lock of all runs of one user on one machine."""
    top = os.environ.get("XDG_RUNTIME_DIR", "")
    top = top if os.access(top, os.W_OK) else tempfile.gettempdir()  # others than a login have none
    return open(Path(top) / f"hardattn-{os.getuid()}.working", "w")
