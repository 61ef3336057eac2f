"""The benchmark of memory has a process a canvas, and says what was there before."""

import torch

from hardattn.experiments.benchmarks.memory import held
from hardattn.experiments.benchmarks.versions import ROOT


def test_a_canvas_is_measured_in_a_process_of_its_own() -> None:
    much = torch.ones(150 * 2**20)  # of which it has nothing, though it is started from here
    (one,) = held(ROOT, "this version", (40,), batch=4)
    assert one["value"] < much.nbytes / 2**20
    assert one["what"] == "train ram, canvas 40, this version" and one["unit"] == "MB"
    assert one["machine"] > one["value"] >= one["limit"] > 50
