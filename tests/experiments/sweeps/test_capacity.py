"""How many cores and GPUs may be used, as each of those who lend them says it."""

import os
from pathlib import Path

import pytest

from hardattn.experiments.sweeps.capacity import cores, gpus, listed

HAS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hardattn.experiments.sweeps.capacity._affinity", lambda: 64)


def tree(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("DOT", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


def test_no_more_than_the_kernel_lets_it_run_on(tmp_path: Path) -> None:
    assert cores(tmp_path, {}) == HAS
    assert cores(tmp_path, {"SLURM_CPUS_PER_TASK": "1"}) == 1
    assert 1 <= cores() <= HAS


@pytest.mark.usefixtures("many")
def test_the_quota_of_a_control_group_counts(tmp_path: Path) -> None:
    group = {"proc__self__cgroup": "0::/a/b", "sys__fs__cgroup__a__b__cpuDOTmax": "max 100000"}
    assert cores(tree(tmp_path / "none", **group), {}) == 64
    outer = {"sys__fs__cgroup__a__cpuDOTmax": "350000 100000"}
    assert cores(tree(tmp_path / "outer", **group, **outer), {}) == 3
    # In a container its own group is the root of what it sees.
    inside = {"proc__self__cgroup": "0::/", "sys__fs__cgroup__cpuDOTmax": "50000 100000"}
    assert cores(tree(tmp_path / "inside", **inside), {}) == 1


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("quota, wanted", [("-1", 64), ("400000", 4)])
def test_so_does_one_of_the_first_version(tmp_path: Path, quota: str, wanted: int) -> None:
    lines = "5:memory:/x\n4:cpu,cpuacct:/x\n0::/x"
    group = {
        "proc__self__cgroup": lines,
        "sys__fs__cgroup__cpu,cpuacct__x__cpuDOTcfs_quota_us": quota,
        "sys__fs__cgroup__cpu,cpuacct__x__cpuDOTcfs_period_us": "100000",
    }
    assert cores(tree(tmp_path, **group), {}) == wanted
    assert cores(tree(tmp_path, **group), {"SLURM_CPUS_PER_TASK": "3"}) == 3


def test_gpus_are_those_that_are_visible() -> None:
    assert gpus({"CUDA_VISIBLE_DEVICES": "2, 3"}) == ["2", "3"]
    assert gpus({"CUDA_VISIBLE_DEVICES": "MIG-ab,MIG-cd"}) == ["MIG-ab", "MIG-cd"]
    assert gpus({"CUDA_VISIBLE_DEVICES": ""}) == gpus({"CUDA_VISIBLE_DEVICES": "-1"}) == []


def test_of_a_divided_gpu_its_parts_are_listed() -> None:
    text = (
        "GPU 0: NVIDIA H200 (UUID: GPU-11)\n"
        "  MIG 1g.18gb     Device  0: (UUID: MIG-aa)\n"
        "  MIG 1g.18gb     Device  1: (UUID: MIG-bb)\n"
        "GPU 1: NVIDIA H200 (UUID: GPU-22)\n"
    )
    assert listed(text) == ["MIG-aa", "MIG-bb", "1"] and listed("No devices were found\n") == []
