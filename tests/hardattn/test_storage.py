"""Files are written whole or not at all, in an order that survives a power cut."""

import os
from pathlib import Path

import pytest
import torch

from hardattn import storage
from hardattn.storage import read, write
from tests.support.crashes import CRASHED, CrashingOS, in_a_child, state_of


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


def test_text_is_replaced_whole(tmp_path: Path) -> None:
    storage.replace_text(tmp_path / "a.json", "é" * 1000)
    storage.replace_text(tmp_path / "a.json", "é")
    assert (tmp_path / "a.json").read_bytes() == "é".encode()
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
