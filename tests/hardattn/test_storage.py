"""Checkpoints against crashes at every step of writing, damage of every kind, and a full disk."""

import errno
import hashlib
import os
import pickle
import random
import resource
import shutil
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from hardattn import storage
from hardattn.storage import CheckpointError, read, write
from hardattn.training.checkpoint import KEEP, latest, save

CRASHED = 77


def state_of(step: int, size: int = 500) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(step)
    return {
        "agent": {"weight": torch.randn(size, generator=generator), "count": torch.tensor(step)},
        "curve": [(1, 0.5), (step, 0.25)],
        "seconds": 1.5,
    }


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


def in_a_child(work: Callable[[], Any]) -> int:
    """The exit code of a forked child that did the work: 0, or 1 with a traceback, or its own."""
    child = os.fork()
    if not child:
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class CrashingOS:
    """`os`, which leaves the process at the n-th of its calls that matter, before or after it."""

    def __init__(self, at: int, after: bool):
        self.at, self.after, self.count = at, after, 0

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in ("fsync", "replace"):
            return real

        def crashing(*given: Any) -> Any:
            self.count += 1
            if self.count == self.at and not self.after:
                os._exit(CRASHED)
            done = real(*given)
            if self.count == self.at:
                os._exit(CRASHED)
            return done

        return crashing


def test_round_trip(tmp_path: Path) -> None:
    save(tmp_path / "new" / "folder", 3, state_of(3))
    found = latest(tmp_path / "new" / "folder")
    assert found and found[0] == 3 and is_sound(found)
    line = (tmp_path / "new/folder/step-000000003.pt.sha256").read_text()
    content = (tmp_path / "new/folder/step-000000003.pt").read_bytes()
    assert line == f"{hashlib.sha256(content).hexdigest()}  step-000000003.pt\n"  # sha256sum -c


def test_optimisers_and_odd_values_survive(tmp_path: Path) -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    descent = torch.optim.AdamW([weight], fused=True)
    weight.grad = torch.ones(3)
    descent.step()
    state = {"optimiser": descent.state_dict(), "nan": float("nan"), "none": None, "flag": True}
    write(tmp_path / "a.pt", state)
    back = read(tmp_path / "a.pt")
    assert torch.equal(back["optimiser"]["state"][0]["exp_avg"], torch.full((3,), 0.1))
    assert back["nan"] != back["nan"] and back["none"] is None and back["flag"] is True


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


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_crash_leaves_the_new_text_or_the_old(tmp_path: Path, call: int, after: bool) -> None:
    path = tmp_path / "result.json"
    storage.replace_text(path, "old")

    def crashing() -> None:
        storage.os = CrashingOS(call, after)  # type: ignore[attr-defined]
        storage.replace_text(path, "new")

    assert in_a_child(crashing) == CRASHED
    assert path.read_text() == ("new" if (call, after) >= (2, True) else "old")


def test_is_written_in_an_order_that_survives_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file is synced before it gets its name, its folder after; the state before its hash."""
    calls = []
    real = {"fsync": os.fsync, "replace": os.replace}

    def fsync(number: int) -> None:
        calls.append(f"fsync {Path(os.readlink(f'/proc/self/fd/{number}')).name}")
        real["fsync"](number)

    def replace(source: Path, target: Path) -> None:
        calls.append(f"replace {Path(target).name}")
        real["replace"](source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    write(tmp_path / "a.pt", state_of(1))
    state = ["fsync a.pt.tmp", "replace a.pt", f"fsync {tmp_path.name}"]
    assert calls == state + [call.replace("a.pt", "a.pt.sha256") for call in state]


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


def test_text_is_replaced_whole(tmp_path: Path) -> None:
    storage.replace_text(tmp_path / "a.json", "é" * 1000)
    storage.replace_text(tmp_path / "a.json", "é")
    assert (tmp_path / "a.json").read_bytes() == "é".encode()
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
