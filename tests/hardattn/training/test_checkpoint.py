"""Checkpoints against crashes at every step of writing, damage of every kind, and a full disk."""

import errno
import hashlib
import os
import pickle
import random
import resource
import shutil
import signal
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from hardattn import storage
from hardattn.storage import CheckpointError, read
from hardattn.training import checkpoint
from hardattn.training.checkpoint import KEEP, latest, save
from hardattn.training.interrupt import Stopped
from hardattn.training.log import Log, read_metrics
from hardattn.training.optimizers import SCHEDULES
from tests.support.crashes import CRASHED, CrashingOS, in_a_child, state_of
from tests.support.training import BATCH, EVERY, UPDATES, before_update, digits, learn, struck


def is_sound(found: tuple[int, dict[str, Any]] | None, size: int = 500) -> bool:
    """It is the whole state of the step that it claims to be."""
    if found is None:
        return False
    step, state = found
    wanted = state_of(step, size)
    return (
        torch.equal(state["agent"]["weight"], wanted["agent"]["weight"])
        and state["agent"]["count"].item() == step
        and state["curve"] == wanted["curve"]
    )


def test_round_trip(tmp_path: Path) -> None:
    save(tmp_path / "new" / "folder", 3, state_of(3))
    found = latest(tmp_path / "new" / "folder")
    assert found and found[0] == 3 and is_sound(found)
    line = (tmp_path / "new/folder/step-000000003.pt.sha256").read_text()
    content = (tmp_path / "new/folder/step-000000003.pt").read_bytes()
    assert line == f"{hashlib.sha256(content).hexdigest()}  step-000000003.pt\n"  # sha256sum -c


def test_nothing_is_nothing(tmp_path: Path) -> None:
    assert latest(tmp_path) is None and latest(tmp_path / "nowhere") is None


def test_keeps_the_last_two(tmp_path: Path) -> None:
    for step in (1, 20, 300, 4000):
        save(tmp_path, step, state_of(step))
    names = [f"step-{step:09d}.pt{end}" for step in (300, 4000) for end in ("", ".sha256")]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names) and KEEP == 2


def test_what_it_did_not_write_is_left_alone(tmp_path: Path) -> None:
    for name in ("notes.txt", "step-by-step.pt", "step-by-step.pt.sha256"):
        (tmp_path / name).write_text("mine")
    save(tmp_path, 1, state_of(1))
    assert is_sound(latest(tmp_path)) and (tmp_path / "notes.txt").read_text() == "mine"
    assert (tmp_path / "step-by-step.pt").exists()


def test_leftovers_of_crashes_are_cleared(tmp_path: Path) -> None:
    save(tmp_path, 1, state_of(1))
    (tmp_path / "step-000000002.pt").write_bytes(b"no hash yet")
    (tmp_path / "step-000000002.pt.tmp").write_bytes(b"half")
    (tmp_path / "step-000000009.pt.sha256.tmp").write_bytes(b"half")
    save(tmp_path, 5, state_of(5))
    assert {path.name[:14] for path in tmp_path.iterdir()} == {"step-000000001", "step-000000005"}
    assert not list(tmp_path.glob("*.tmp"))


def test_a_new_past_outlives_damaged_later_steps(tmp_path: Path) -> None:
    for step in (8, 9):
        save(tmp_path, step, state_of(step))
        (tmp_path / f"step-{step:09d}.pt").write_bytes(b"damaged")
    save(tmp_path, 3, state_of(3))
    found = latest(tmp_path)
    assert found and found[0] == 3


# Crashes.


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", range(1, 7))
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_crash_leaves_the_new_or_the_previous(
    tmp_path: Path, number: int, call: int, after: bool
) -> None:
    """Six calls a checkpoint: file synced, renamed, folder synced; the same for its hash."""

    def crashing() -> None:
        for step in (1, 2, 3):
            if step == number:
                storage.os = CrashingOS(call, after)  # type: ignore[attr-defined]
            save(tmp_path, step, state_of(step))

    assert in_a_child(crashing) == CRASHED
    found = latest(tmp_path)
    if number == 1 and (found is None):
        assert call < 5 or not after
    else:
        assert found and found[0] in (number - 1, number) and is_sound(found)
    # Whoever comes next can go on, and leaves nothing of the crash.
    save(tmp_path, number, state_of(number))
    found = latest(tmp_path)
    assert found and found[0] == number and is_sound(found)
    assert not list(tmp_path.glob("*.tmp"))


# Damage.


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two sound checkpoints, to be copied and damaged."""
    folder = tmp_path_factory.mktemp("two")
    for step in (1, 2):
        save(folder, step, state_of(step))
    return folder


def falls_back(folder: Path, content: bytes) -> None:
    """With this for the newest state, that is refused, and the one before is found."""
    path = folder / "step-000000002.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="step-000000002"):
        read(path)
    with pytest.warns(UserWarning, match=r"step-000000002\.pt: .*Going on from step-000000001"):
        found = latest(folder)
    assert found and found[0] == 1 and is_sound(found)


def test_damage_is_noticed(two: Path, tmp_path: Path) -> None:
    shutil.copytree(two, tmp_path, dirs_exist_ok=True)
    sound = (two / "step-000000002.pt").read_bytes()
    chance = random.Random(0)
    for _ in range(200):
        flipped = bytearray(sound)
        flipped[chance.randrange(len(sound))] ^= 1 << chance.randrange(8)
        falls_back(tmp_path, bytes(flipped))
    for _ in range(100):
        falls_back(tmp_path, sound[: chance.randrange(len(sound))])
    for _ in range(50):
        start = chance.randrange(len(sound) - 256)
        blank = sound[:start] + bytes(256) + sound[start + 256 :]
        if blank != sound:
            falls_back(tmp_path, blank)
    falls_back(tmp_path, b"")
    falls_back(tmp_path, b"\x89PNG\r\n\x1a\n" + bytes(100))
    falls_back(tmp_path, (two / "step-000000001.pt").read_bytes())


def test_a_damaged_hash_is_noticed(two: Path, tmp_path: Path) -> None:
    sound = (two / "step-000000002.pt.sha256").read_bytes()
    shutil.copytree(two, tmp_path, dirs_exist_ok=True)
    for bit in range(0, 8 * 64, 3):
        flipped = bytearray(sound)
        flipped[bit // 8] ^= 1 << bit % 8
        (tmp_path / "step-000000002.pt.sha256").write_bytes(flipped)
        with pytest.warns(UserWarning, match="damaged"):
            found = latest(tmp_path)
        assert found and found[0] == 1 and is_sound(found), bit
    for content in (b"", b"\n", b"\xff\xfe", b"\0" * 64):
        (tmp_path / "step-000000002.pt.sha256").write_bytes(content)
        with pytest.warns(UserWarning):
            found = latest(tmp_path)
        assert found and found[0] == 1


def test_a_full_disk_is_told_with_what_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(storage.os, "fsync", full)  # type: ignore[attr-defined]
    with pytest.raises(CheckpointError, match=r"No space .*[\d,]+ bytes wanted, [\d,]+ free"):
        save(tmp_path, 1, state_of(1))
    assert not list(tmp_path.glob("*.tmp"))


def test_with_none_sound_it_says_so_and_does_not_start_over(two: Path, tmp_path: Path) -> None:
    shutil.copytree(two, tmp_path, dirs_exist_ok=True)
    for step in (1, 2):
        (tmp_path / f"step-{step:09d}.pt").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"step-000000002\.pt: damaged.*delete") as fault:
        latest(tmp_path)
    assert "\n" not in str(fault.value)


class Payload:
    """Unpickled by an unwary reader, it makes a folder."""

    def __init__(self, canary: Path):
        self.canary = canary

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self.canary),))


@pytest.mark.parametrize("kind", ["pickle", "torch", "png", "empty", "text"])
def test_a_foreign_file_with_a_right_hash_is_refused_and_not_run(tmp_path: Path, kind: str) -> None:
    canary, path = tmp_path / "canary", tmp_path / "step-000000001.pt"
    if kind == "torch":
        torch.save({"agent": Payload(canary)}, path)
    else:
        path.write_bytes(
            {
                "pickle": pickle.dumps(Payload(canary)),
                "png": b"\x89PNG\r\n\x1a\n" + bytes(100),
                "empty": b"",
                "text": b"hello\n",
            }[kind]
        )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name(path.name + ".sha256").write_text(f"{digest}  {path.name}\n")
    for reader in (lambda: read(path), lambda: latest(tmp_path)):
        with pytest.raises(CheckpointError, match=r"step-000000001\.pt") as fault:
            reader()
        assert "\n" not in str(fault.value)
    assert not canary.exists()
    with suppress(Exception):
        torch.load(path, weights_only=False)
    assert canary.exists() == (kind in ("pickle", "torch"))  # an unwary reader would have


# Disks that are full or closed.


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.9, 0.999])
def test_a_full_disk_costs_one_checkpoint(tmp_path: Path, share: float) -> None:
    save(tmp_path, 1, state_of(1, 20_000))
    size = (tmp_path / "step-000000001.pt").stat().st_size

    def fill() -> None:
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(share * size), most))
        with pytest.raises(CheckpointError, match=r"step-000000002\.pt: .*too large"):
            save(tmp_path, 2, state_of(2, 20_000))

    assert in_a_child(fill) == 0
    found = latest(tmp_path)
    assert found and found[0] == 1 and is_sound(found, 20_000)
    assert not list(tmp_path.glob("*.tmp"))


def test_a_lock_on_the_folder_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(0o500)
    if os.access(folder, os.W_OK):
        pytest.skip("nothing is closed to this user")
    with pytest.raises(CheckpointError, match="closed"):
        save(folder, 1, state_of(1))
    with pytest.raises(CheckpointError, match="closed"):
        save(folder / "inner", 1, state_of(1))


def test_a_file_in_the_place_of_the_folder_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    for folder in (tmp_path / "taken", tmp_path / "taken" / "inner"):
        with pytest.raises(CheckpointError, match="taken"):
            save(folder, 1, state_of(1))
    with pytest.raises(CheckpointError, match="taken"):
        storage.replace_text(tmp_path / "taken" / "a.json", "{}")


# What TensorBoard shows of a run that was interrupted.


def crash() -> None:
    raise KeyError("as if killed")


def shown(folder: Path) -> Any:
    """What TensorBoard reads there, whole."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0})
    found.Reload()
    return found


def board(folder: Path) -> Log:
    return Log(folder, "ram", retina=(4, 2), classes=digits().classes, quiet=True, every=4)


TOLD = [4, 6, 8, 12, 16, 18, 20, 24]  # updates: every fourth, and validations


TIMES = {"training/images_per_second", "training/seconds"}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that TensorBoard was told of from beginning to end."""
    folder = tmp_path_factory.mktemp("whole")
    finished(folder)
    return folder


def finished(folder: Path) -> None:
    log = board(folder)
    learn(folder, log=log)
    log.finish({"lr": 0.01, "core": "gru", "each": True}, {"test/error": 0.5, "test/after": [3, 2]})
    log.close()


def broken(folder: Path, how: str) -> None:
    """Leave a run that was stopped there."""
    if how == "told":  # it has ended, but of its result there is no file
        return finished(folder)
    if how == "asked":  # between two points
        with pytest.raises(Stopped):
            stop = before_update(9, partial(os.kill, os.getpid(), signal.SIGTERM))
            learn(folder, estimator=stop, log=board(folder))
        return None
    # Before a checkpoint, of which it has measured and told: those points are told again.
    number = {"killed": 2, "killed at once": 1}[how]
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyError):
        patch.setattr(checkpoint, "save", struck(checkpoint.save, number, crash))
        learn(folder, log=board(folder))
    return None


@pytest.mark.parametrize("how", ["killed", "killed at once", "asked", "told"])
def test_tensorboard_shows_a_resumed_run_as_one(unbroken: Path, tmp_path: Path, how: str) -> None:
    broken(tmp_path, how)
    time.sleep(1.1)  # event files are ordered by the second they were opened in
    finished(tmp_path)
    whole, parts = shown(unbroken), shown(tmp_path)
    assert parts.Tags()["scalars"] == whole.Tags()["scalars"]
    for tag in whole.Tags()["scalars"]:
        wanted, found = ([(e.step, e.value) for e in one.Scalars(tag)] for one in (whole, parts))
        if tag in TIMES:
            assert [step for step, _ in found] == [step for step, _ in wanted], tag
            assert all(value > 0 for _, value in found)
        else:
            assert found == wanted, tag
    for tag in whole.Tags()["images"]:
        assert len(parts.Images(tag)) == len(whole.Images(tag)) == UPDATES // EVERY
    seconds = [event.value for event in parts.Scalars("training/seconds")]
    assert seconds == sorted(seconds)


def test_tensorboard_is_told_of_training_every_so_many_updates(unbroken: Path) -> None:
    found = shown(unbroken)
    tags = found.Tags()
    wanted = {"training/loss", "training/entropy", "training/gradient_norm", "training/hit"}
    wanted |= TIMES | {"training/learning_rate", "validation/error", "error_after_look/03"}
    assert wanted | {"validation/spread", "test/error"} <= set(tags["scalars"])
    assert "looks" in tags["images"] and "places/x" in tags["histograms"]
    assert "_hparams_/experiment" in found.summary_metadata
    steps = [EVERY * BATCH * (1 + each) for each in range(UPDATES // EVERY)]
    for tag in tags["scalars"]:
        events = [event.step for event in found.Scalars(tag)]
        if tag.startswith("training/"):
            assert events == [BATCH * update for update in TOLD], tag
        elif not tag.startswith("test/"):
            assert events == steps, tag
    assert [event.step for event in found.Images("looks")] == steps
    log = read_metrics(unbroken)
    drawn = [event.value for event in found.Scalars("validation/error")]
    assert drawn == pytest.approx([entry["validation"]["error"] for entry in log])
    # Points are means of the updates since the one before; of all of them between validations
    # metrics.jsonl has the mean.
    loss = {event.step // BATCH: event.value for event in found.Scalars("training/loss")}
    spans = dict(zip(TOLD, [4, 2, 2, 4, 4, 2, 2, 4], strict=True))
    for end, entry in zip((6, 12, 18, 24), log, strict=True):
        mean = sum(loss[at] * span / EVERY for at, span in spans.items() if end - 6 < at <= end)
        assert mean == pytest.approx(entry["training"]["loss"], rel=1e-4)
    for event in found.Scalars("training/learning_rate"):  # that of the last update
        done = event.step // BATCH - 1
        rate = 1e-2 * SCHEDULES["cosine"](done / UPDATES) * min(1, (done + 1) / 4)
        assert event.value == pytest.approx(rate)
