"""The benchmark of training has a row a case, beside products and the plain RAM."""

import pytest

from hardattn.experiments.benchmarks import training


def test_every_agent_and_batch_is_measured() -> None:
    rows = training.learning([("ram", 4), ("draw", 3)], plain=4, count=1, least=0.0, most=1)
    assert [row["what"] for row in rows] == [
        "train ram, batch 4",
        "train ram, batch 4, default product",
        "train ram, batch 4, one update after the other",
        "train ram, batch 4, 8 seeds as one",
        "train draw, batch 3",
        "plain RAM with its loader, batch 4",
        "plain RAM, batches at hand, batch 4",
    ]
    ram, other, alone, together, draw, loaded, _ = rows
    assert together["beside"] == alone["what"] and alone["ratio"] == 1
    assert "limit" not in other and other["beside"] == ram["beside"]
    assert ram["kernels"] > 100 and draw["kernels"] > 100
    assert ram["limit"] > 0 and ram["share"] == pytest.approx(ram["value"] / ram["limit"], rel=0.1)
    assert ram["ratio"] == pytest.approx(ram["value"] / loaded["value"], rel=0.01)
    assert "ratio" not in draw  # another agent than the plain one
    assert loaded["ratio"] == 1


def test_how_many_updates_are_a_turn() -> None:
    assert training.updates("ram", 32) == training.UPDATES
    assert training.updates("ram", 512) * 512 <= training.SCENES
    assert training.updates("cnn", 32) < training.updates("ram", 32)
    assert training.updates("ram", 2048) == 3


def test_kernels_do_not_hang_on_the_batch() -> None:
    rows = training.learning([("ram", 2), ("ram", 5)], plain=3, count=1, least=0.0, most=1)
    assert rows[0]["kernels"] == rows[1]["kernels"]
