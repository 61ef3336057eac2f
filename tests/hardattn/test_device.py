"""The matrix product of a machine: exact, the faster one, found once and then kept."""

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from hardattn import device

ROOT = Path(__file__).resolve().parents[2]
CHURN = """
import conftest, resource, torch
from hardattn import device
device.hold_memory()
for _ in range(20):  # until small things have found their place beside the large one
    torch.zeros(10_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    torch.zeros(10_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


class Route:
    """In place of the setting of oneDNN's products: notes what it is told."""

    def __init__(self) -> None:
        self.fp32_precision = "none"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the choice is kept; it is undone at the end, as products of another may be inexact."""
    route: Any = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    before = route.fp32_precision
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(device, "_found", {})
    yield tmp_path / "hardattn" / "products"
    route.fp32_precision = before


def test_what_is_taken_is_exact_and_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    route: Any = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    name = device.tune()
    assert torch.get_num_threads() == 1 and route.fp32_precision == device._ROUTES[name]
    left, right = torch.randn(200, 256), torch.randn(256, 100)
    exact = left.double() @ right.double()
    assert (left @ right - exact).norm() / exact.norm() < device._A_FEW_ROUNDINGS
    (kept,) = cache.iterdir()
    assert kept.read_text() == f"{name}\n"
    # A process that begins later does not look again, even where it would find something else.
    monkeypatch.setattr(device, "_found", {})
    monkeypatch.setattr(device, "_probe", lambda route: pytest.fail("looked again"))
    assert device.tune() == name
    other = next(each for each in device._ROUTES if each != name)
    kept.write_text(other)
    assert device.tune() == name  # this process has begun with it
    device._found.clear()
    assert device.tune() == other and route.fp32_precision == device._ROUTES[other]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc alone")
def test_freed_memory_is_used_again() -> None:
    """Without it, a tensor of 40 MB costs nearly 10,000 faults of its pages each time."""
    said = subprocess.run(
        [sys.executable, "-c", CHURN],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if "MALLOC" not in name},
    )
    assert int(said.stdout) < 5_000


@pytest.mark.parametrize(
    "seconds, wanted",
    [({"none": 2.0, "bf16": 1.0}, "onednn"), ({"none": 1.0, "bf16": 0.99}, "default")],
)
def test_the_faster_is_taken_where_it_is_worth_it(
    monkeypatch: pytest.MonkeyPatch, seconds: dict[str, float], wanted: str
) -> None:
    route = Route()
    monkeypatch.setattr(device, "_seconds", lambda pairs: seconds[route.fp32_precision])
    assert device._probe(route) == wanted


def test_what_rounds_is_not_taken_however_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    route = Route()
    monkeypatch.setattr(
        device, "_seconds", lambda pairs: {"none": 2.0, "bf16": 1.0}[route.fp32_precision]
    )
    monkeypatch.setattr(device, "_A_FEW_ROUNDINGS", 1e-9)
    assert device._probe(route) == "default"


def test_of_several_that_look_at_once_the_first_counts(cache: Path) -> None:
    def find() -> str:
        (cache / "hardattn").parent.mkdir(parents=True, exist_ok=True)
        device._kept("machine", lambda: "default")  # another process is quicker
        device._found.clear()
        return "onednn"

    assert device._kept("machine", find) == "default"
    assert [one.read_text() for one in cache.iterdir()] == ["default\n"]


def test_what_cannot_be_kept_or_read_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(device, "_found", {})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert device._kept("machine", lambda: "onednn") == "onednn"
    assert device._read(tmp_path / "file") == device._read(tmp_path / "none") == ""


def test_machines_are_told_apart() -> None:
    assert device._machine(1) != device._machine(2) and torch.__version__ in device._machine(1)


def test_a_device_that_is_not_there_is_named() -> None:
    assert device.choose("cpu").type == "cpu"
    with pytest.raises(ValueError, match="device 'nowhere' cannot be used here"):
        device.choose("nowhere")
