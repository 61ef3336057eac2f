"""The folder of a run: taken up, refused, in use; and every way in which a run can fail."""

import dataclasses
import fcntl
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hardattn.data import DataError
from hardattn.experiments import cli, run as execute
from hardattn.experiments.command_line.parse import parse
from hardattn.experiments.command_line.words import command_for
from hardattn.experiments.recipes import RECIPES
from hardattn.storage import CheckpointError
from hardattn.training.interrupt import Stopped
from hardattn.training.metrics import NotFinite
from tests.support.commands import RAM_RECIPE, TINY, fails, go, result_in


def test_what_is_done_is_not_done_again(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert go(tiny, RAM_RECIPE, *TINY) == 0
    first = capsys.readouterr().out
    (path,) = tiny.rglob("result.json")
    before = {each: each.read_bytes() for each in path.parent.rglob("*") if each.is_file()}
    monkeypatch.setattr(execute, "train", lambda *given, **named: pytest.fail("trained again"))
    monkeypatch.setattr(execute, "load", lambda *given: pytest.fail("loaded again"))
    assert go(tiny, RAM_RECIPE, *TINY) == 0
    assert capsys.readouterr().out == first
    assert {each: each.read_bytes() for each in path.parent.rglob("*") if each.is_file()} == before


def test_another_seed_is_another_folder(tiny: Path) -> None:
    for seed in ("0", "1"):
        assert go(tiny, RAM_RECIPE, *TINY, "--seed", seed) == 0
    assert len(list(tiny.rglob("result.json"))) == 2


def test_a_folder_of_another_recipe_is_refused(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert go(tiny, RAM_RECIPE, *TINY) == 0
    base = RECIPES[RAM_RECIPE]
    other = dataclasses.replace(base, training=dataclasses.replace(base.training, lr=0.123))
    monkeypatch.setitem(RECIPES, RAM_RECIPE, other)
    words = f"lr was {base.training.lr!r}, is 0.123 ... --out"
    fails(capsys, 2, words, tiny, RAM_RECIPE, *TINY)


def test_a_folder_in_use_is_refused_until_its_process_is_gone(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny / parse([RAM_RECIPE, *TINY])[0] / "seed-0"
    folder.mkdir(parents=True)
    ready, tell = os.pipe()
    child = os.fork()
    if not child:
        file = open(folder / ".lock", "w")  # noqa: SIM115  held until the process ends
        fcntl.flock(file, fcntl.LOCK_EX)
        os.write(tell, b".")
        signal.pause()
        os._exit(0)
    os.read(ready, 1)
    fails(capsys, 4, "in use by another process", tiny, RAM_RECIPE, *TINY)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(ready)
    os.close(tell)
    assert go(tiny, RAM_RECIPE, *TINY) == 0


def test_a_stopped_run_is_finished_by_the_same_command(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [RAM_RECIPE, *TINY]
    assert go(tiny / "whole", *words) == 0
    with monkeypatch.context() as patch:
        # Trained to the end, and struck before anything is measured.
        patch.setattr(execute, "measure", raising(KeyboardInterrupt()))
        assert go(tiny / "parts", *words) == 130
    assert go(tiny / "parts", *words) == 0
    whole, parts = result_in(tiny / "whole"), result_in(tiny / "parts")
    assert whole["figures"] == parts["figures"]
    assert whole["training"]["curve"] == parts["training"]["curve"]


def raising(fault: BaseException) -> Callable[..., Any]:
    def failing(*given: Any, **named: Any) -> Any:
        raise fault

    return failing


@pytest.mark.parametrize(
    "fault, code",
    [
        (DataError("no such file"), 2),
        (ValueError("it does not fit"), 2),
        (NotFinite("not finite at update 7"), 3),
        (CheckpointError("a.pt: damaged"), 5),
        (OSError("no space left"), 5),
        (Stopped("stopped after 12 images", 143), 143),
        (Stopped("stopped after 12 images", 130), 130),
        (KeyboardInterrupt(), 130),
    ],
    ids=lambda given: type(given).__name__ if isinstance(given, BaseException) else str(given),
)
def test_every_fault_has_its_exit_code_and_its_line(
    tiny: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fault: BaseException,
    code: int,
) -> None:
    monkeypatch.setattr(execute, "train", raising(fault))
    fails(capsys, code, str(fault), tiny, RAM_RECIPE, *TINY)
    assert str(code) in (cli.__doc__ or "")


def test_a_file_in_the_place_of_the_folder(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tiny / "taken").write_text("")
    fails(capsys, 5, "taken", tiny / "taken", RAM_RECIPE, *TINY)


def test_missing_data_is_one_line_that_names_the_files(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)  # and nothing is fetched
    empty = str(tiny / "empty")
    words = "train-images-idx3-ubyte.gz ... t10k-labels-idx1-ubyte.gz ... empty"
    fails(capsys, 2, words, tiny, "ram-mnist", *TINY, "--root", empty)
    fails(capsys, 2, "nowhere", tiny, RAM_RECIPE, *TINY, "--dataset", f"folder:{tiny}/nowhere")


def test_a_diverging_run_stops_with_its_own_code(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [RAM_RECIPE, "--optimizer", "sgd", "--lr", "1e30", "--warmup", "0"]
    fails(capsys, 3, "not finite at update", tiny, *words, *TINY[2:], "--images", "64")
    assert not list(tiny.rglob("result.json"))


def test_the_command_to_repeat_names_no_folder_of_this_machine() -> None:
    given = ["ram-digits", "--out", "/a/b", "--seed", "3", "--root=/c", "--lr", "0.1"]
    wanted = "hardattn train ram-digits --seed 3 --lr 0.1"
    assert command_for(given) == wanted
