"""The benchmark of half precision: its rows, and that it finds a bias that is there."""

import torch

from hardattn.data import load
from hardattn.experiments.benchmarks.precision import apart, gradients, rates, taken, training


def test_each_batch_stands_beside_float32() -> None:
    rows = rates([4], count=1, least=0.0)
    assert [one["what"] for one in rows] == [
        "train ram, batch 4, float32",
        "train ram, batch 4, bf16",
    ]
    assert {one["beside"] for one in rows} == {rows[0]["what"]} and rows[0]["ratio"] == 1


def test_gradients_are_compared_at_two_states() -> None:
    rows = gradients(load("digits"), batch=8, updates=2, estimates=3)
    assert [one["what"].rpartition(": ")[2] for one in rows] == 2 * [
        "cosine",
        "error",
        "bias",
        "bound",
    ]
    assert "after 0 updates" in rows[0]["what"] and "after 2 updates" in rows[-1]["what"]
    assert all(one["value"] > 0.9 for one in rows if one["what"].endswith("cosine"))


def test_both_precisions_have_the_same_noise_and_nothing_learns() -> None:
    run = training(load("digits"), 8, 1)
    before = [one.clone() for one in run.weights]
    exact, half = taken(run, 2)
    again, _ = taken(run, 2)
    assert torch.equal(exact, again) and not torch.equal(exact, half)
    assert exact.shape == half.shape and len(exact) == 2
    assert all(map(torch.equal, before, run.weights))


def test_a_bias_is_told_from_noise() -> None:
    torch.manual_seed(0)
    exact = 1 + torch.randn(400, 50)
    noisy = apart(exact, exact + 0.5 * torch.randn(400, 50))
    off = apart(exact, 1.1 * exact + 0.5 * torch.randn(400, 50))
    assert noisy.bias < 0.02 < noisy.bound < 0.05 and noisy.cosine < 0.95
    assert abs(off.bias - 0.1) < 0.02 and noisy.error > 0.2
    assert apart(exact, exact) == (1.0, 0.0, 0.0, 0.0)
