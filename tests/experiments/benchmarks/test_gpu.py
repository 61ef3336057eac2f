"""The benchmark of GPUs: its parts run anywhere, and without a GPU it says so."""

import pytest
import torch

from hardattn.experiments.benchmarks import gpu
from hardattn.experiments.cli import main
from hardattn.experiments.recipe import UsageError
from hardattn.experiments.recipes import RECIPES
from tests.support.commands import small

CPU = torch.device("cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "gpu"]) == 2
    said = capsys.readouterr()
    assert not said.out and said.err.count("\n") == 1
    assert said.err.startswith("error: no GPU is to be had here")


def test_what_is_no_gpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(UsageError, match="'cpu' is no GPU"):
        gpu.found("cpu")


def test_every_batch_and_mode_is_measured() -> None:
    rows = gpu.rates(CPU, (2, 3), count=1, least=0.0)
    assert [(row["batch"], row["mode"]) for row in rows] == [
        (batch, mode) for batch in (2, 3) for mode in (*gpu.modes(CPU), gpu.STACKED)
    ]
    assert list(gpu.modes(CPU)) == ["eager"] and rows[0]["kernels"] > 100
    assert all(row["value"] > 0 and row["limit"] > 0 for row in rows)


def test_the_plain_ram_stands_beside() -> None:
    loaded, at_hand = gpu.plain_rates(small("mnist"), CPU, batch=4, count=1, least=0.0)
    assert loaded["ratio"] == 1 and at_hand["beside"] == loaded["what"]


@pytest.mark.parametrize(
    "goal, patience, wanted", [(1.0, 99.0, 1), (-1.0, 0.0, 1), (-1.0, 99.0, 2)]
)
def test_a_training_ends_where_the_goal_or_the_time_does(
    goal: float, patience: float, wanted: int
) -> None:
    changes = {"batch_size": 8, "images": 32, "validate_every": 16}
    one = gpu.reached(RECIPES["ram-mnist"], small("mnist"), goal, patience, **changes)
    assert len(one["curve"]) == wanted and one["images"] == 16 * wanted
    assert one["what"].endswith("not reached") == (goal < 0)
    assert one["batch"] == 8 and 0 <= one["error"] <= 1 and one["value"] == one["curve"][-1][1]


@pytest.mark.gpu
def test_on_a_gpu_as_well() -> None:
    device = gpu.found("cuda")
    rows = gpu.rates(device, (64,), count=1, least=0.0)
    assert rows[0]["value"] > 0 and rows[0]["kernels"] > 100
    assert [row["mode"] for row in rows] == ["eager", "captured"] and rows[1]["value"] > 0
    assert gpu.plain_rates(small("mnist").to(device), device, 4, 1, 0.0)[0]["value"] > 0
