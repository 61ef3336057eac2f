"""A signal leaves a checkpoint; killed at any moment, a training ends as if nothing had been."""

import mmap
import os
import random
import signal
import struct
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hardattn import storage
from hardattn.estimators import ESTIMATORS, Loss
from hardattn.evaluation.evaluate import evaluate
from hardattn.training import checkpoint, loop
from hardattn.training.interrupt import Stopped
from hardattn.training.log import read_metrics
from tests.support.crashes import forked
from tests.support.training import EVERY, UPDATES, before_update, learn, outcome, same, struck


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What comes of a training that nothing stops."""
    folder = tmp_path_factory.mktemp("whole")
    learn(folder)
    return outcome(folder)


@pytest.mark.parametrize(
    "number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"]
)
@pytest.mark.parametrize("where", ["update", "last update", "validation", "checkpoint"])
def test_a_signal_leaves_a_checkpoint_of_that_update(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    whole: dict[str, Any],
    number: int,
    code: int,
    where: str,
) -> None:
    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    strike = partial(os.kill, os.getpid(), number)
    at = {"update": 9, "last update": UPDATES - 1}.get(where, -1)
    with monkeypatch.context() as patch:
        if where == "validation":
            patch.setattr(loop, "evaluate", struck(evaluate, 2, strike))
        if where == "checkpoint":
            patch.setattr(storage, "write", struck(storage.write, 3, strike))
        with pytest.raises(Stopped) as stopped:
            learn(tmp_path / "parts", estimator=before_update(at, strike))
    assert stopped.value.code == code and "the same command" in str(stopped.value)
    found = checkpoint.latest(tmp_path / "parts" / "checkpoints")
    # Struck in the middle of a validation or a checkpoint, it stops at the end of the next update.
    wanted = {"update": [10], "last update": [UPDATES], "validation": [13]}.get(where, [7, 13])
    assert found and found[0] in wanted
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == handlers
    learn(tmp_path / "parts")
    assert same(outcome(tmp_path / "parts"), whole)


def test_a_second_signal_does_not_wait(tmp_path: Path) -> None:
    def twice() -> None:
        # Python runs a handler some time after the signal, and two signals before that are one.
        asked = signal.getsignal(signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        while signal.getsignal(signal.SIGINT) is asked:
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(10)

    # What a shell starts in the background ignores SIGINT.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            learn(tmp_path, estimator=before_update(3, twice))
    finally:
        signal.signal(signal.SIGINT, before)


class Watched:
    """Memory shared with a forked child, which notes there where it is."""

    def __init__(self) -> None:
        self.memory = mmap.mmap(-1, 16)

    def note(self, update: int | None = None, writing: int | None = None) -> None:
        before = self.read()
        values = (
            before[0] if update is None else update,
            before[1] if writing is None else writing,
        )
        self.memory[:16] = struct.pack("qq", *values)

    def read(self) -> tuple[int, int]:
        update, writing = struct.unpack("qq", self.memory[:16])
        return update, writing


def watched_training(folder: Path, watched: Watched) -> None:
    """`learn`, noting which update it is at, and whether it is writing a checkpoint."""
    write = storage._replace

    def noting(path: Path, content: bytes) -> None:
        watched.note(writing=1)
        write(path, content)
        watched.note(writing=0)

    storage._replace = noting  # in a forked child only

    def estimator(*given: Any) -> Loss:
        watched.note(update=watched.read()[0] + 1)
        return ESTIMATORS["learned_baseline"].make(*given)

    learn(folder, estimator=estimator)


def test_twenty_kills_change_nothing(tmp_path: Path) -> None:
    """SIGKILL at random updates and moments, a third of them in the middle of writing a file."""
    began = time.perf_counter()
    learn(tmp_path / "whole")
    duration = time.perf_counter() - began
    wanted = outcome(tmp_path / "whole")
    chance = random.Random(0)
    kills: Counter[str] = Counter()
    stages = set()
    rounds = 0
    while kills.total() < 20:
        folder = tmp_path / f"round-{rounds}"
        rounds += 1
        assert rounds < 30, f"only {kills} of the kills came before the end"
        for _ in range(5):
            watched = Watched()
            child = forked(partial(watched_training, folder, watched))
            aim, writing = chance.randrange(1, EVERY + 3), chance.random() < 0.4
            delay = chance.random() * duration / UPDATES
            while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
                update, busy = watched.read()
                if update < aim:
                    time.sleep(2e-4)
                elif busy or not writing:
                    time.sleep(0 if writing else delay)
                    os.kill(child, signal.SIGKILL)
                    ended = os.waitpid(child, 0)
                    break
            if os.WIFSIGNALED(ended[1]):
                assert os.WTERMSIG(ended[1]) == signal.SIGKILL
                kills["writing" if watched.read()[1] else "elsewhere"] += 1
                entries = read_metrics(folder)
                stages.add((len(entries), watched.read()[0]))
            else:
                assert os.waitstatus_to_exitcode(ended[1]) == 0
                break
        child = forked(partial(learn, folder))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert same(outcome(folder), wanted)
        assert not list(folder.rglob("*.tmp"))
    assert kills["writing"] >= 3 and kills["elsewhere"] >= 3
    assert len({validations for validations, _ in stages}) >= 3 and len(stages) >= 6
