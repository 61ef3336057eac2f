"""`torchrun ... train`: as the same command alone, whatever happens to one of its processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from hardattn.experiments.records.states import states

ROOT = Path(__file__).resolve().parents[2]
FEW = ["--images", "10240", "--validate-every", "1280", "--test-draws", "1"]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]


def begun(out: Path, shared: bool, *words: str) -> "subprocess.Popen[str]":
    start = TORCHRUN if shared else [sys.executable]
    return subprocess.Popen(
        [*start, "-m", "experiments", "train", "ram-digits", *FEW, *words, "--out", str(out)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def weights(out: Path) -> dict[str, Any]:
    newest = sorted(out.rglob("checkpoints/*.pt"))[-1]
    found: dict[str, Any] = torch.load(newest)["agent"]
    return found


@pytest.mark.slow
def test_one_of_two_is_killed_and_the_same_command_goes_on(tmp_path: Path) -> None:
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    one = begun(alone, shared=False)
    two = begun(shared, shared=True)
    while two.poll() is None and not [*shared.rglob("checkpoints/*.pt")]:
        time.sleep(0.05)
    children = Path(f"/proc/{two.pid}/task/{two.pid}/children").read_text().split()
    assert len(children) == 2
    os.kill(int(children[1]), signal.SIGKILL)
    _, said = two.communicate()
    assert two.returncode == 1 and "exitcode  : -9" in said
    assert "error: another process of this training ended before its time: all stop, and" in said
    (state,) = states(shared)
    assert state.state == "stopped" and 0 < state.images < 10_240

    again = begun(shared, shared=True)
    printed, said = again.communicate()
    assert again.returncode == 0, said
    assert printed.count("test error") == 1 and states(shared)[0].state == "finished"
    assert one.communicate()[0].splitlines()[1] == printed.splitlines()[1]
    wanted, found = weights(alone), weights(shared)
    assert all((wanted[name] - found[name]).abs().max() <= 1e-6 * 80 for name in wanted)

    # What is done is not done again; what is no training of ours, or has no even share, is refused.
    assert "is not run again" in begun(shared, shared=True).communicate()[1]
    odd = begun(tmp_path / "odd", True, "--batch-size", "33")
    assert "cannot share 33 scenes evenly" in odd.communicate()[1] and odd.returncode == 1
