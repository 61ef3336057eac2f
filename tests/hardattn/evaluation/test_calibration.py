"""How sure, and whether rightly so: by hand, and against slow loops."""

import math

import pytest
import torch
from torch import Tensor

from hardattn.evaluation.metrics import (
    aurc,
    ece,
    error_auroc,
    error_when_sure,
    looks_needed,
    reliability,
    risk_coverage,
)
from tests.support.handmade import columns


def test_calibration_error_against_a_slow_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(500, 1, 3, generator=generator)
    target = torch.randint(3, (500,), generator=generator)
    made = columns()._replace(log_probability=logits.log_softmax(-1), target=target)
    for bins in (1, 4, 15):
        total = 0.0
        for b in range(bins):
            inside = [
                (made.correct[i, 0].item(), made.confidence[i, 0].item())
                for i in range(500)
                if b / bins < made.confidence[i, 0].item() <= (b + 1) / bins
            ]
            if inside:
                right = sum(each for each, _ in inside) / len(inside)
                sure = sum(each for _, each in inside) / len(inside)
                total += len(inside) / 500 * abs(right - sure)
        assert ece(made, bins) == pytest.approx(total, abs=1e-6)


def test_risk_and_coverage_against_all_orders() -> None:
    generator = torch.Generator().manual_seed(0)
    confidence = 0.6 + 0.1 * torch.randint(4, (40,), generator=generator)
    good = torch.rand(40, generator=generator) < confidence
    answer = torch.stack([confidence, 1 - confidence], -1)[:, None].log()
    made = columns()._replace(log_probability=answer, target=(~good).long())
    risks = []
    for _ in range(400):
        shuffled = torch.randperm(40, generator=generator)
        order = shuffled[confidence[shuffled].argsort(descending=True, stable=True)]
        wrong = (~good)[order].double().cumsum(0)
        risks.append((wrong / torch.arange(1, 41)).mean().item())
    error = torch.tensor(risks).std().item() / 20
    assert abs(aurc(made) - sum(risks) / 400) < 4 * error
    pairs = [
        1.0 * (yes > no) + 0.5 * (yes == no)
        for yes in confidence[good].tolist()
        for no in confidence[~good].tolist()
    ]
    assert error_auroc(made) == pytest.approx(sum(pairs) / len(pairs))
    assert error_auroc(made._replace(target=torch.zeros(40, dtype=torch.int64))) is None


def test_reliability_by_hand() -> None:
    """The one of 0.7 is right; of the three of 0.4, all above 1/K, one is."""
    confidence, accuracy, count = reliability(columns(), 4)
    assert count.tolist() == [0, 3, 1, 0]
    nan = math.nan
    assert confidence.tolist() == pytest.approx([nan, 0.4, 0.7, nan], nan_ok=True)
    assert accuracy.tolist() == pytest.approx([nan, 1 / 3, 1, nan], nan_ok=True)


def test_the_curve_of_risk_by_hand() -> None:
    coverage, risk = risk_coverage(columns())
    assert coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    # The sure one is right; of the three of equal confidence two in three are wrong, in any order.
    assert risk.tolist() == pytest.approx([0, (2 / 3) / 2, (4 / 3) / 3, 2 / 4])


def sure(rows: list[list[float]], target: int = 0) -> Tensor:
    """(N, T, 2) answers of that probability for class 0."""
    first = torch.tensor(rows)
    return torch.stack([first, 1 - first], -1).log()


def test_looks_that_were_needed() -> None:
    answers = sure(
        [
            [0.95, 0.95, 0.95],  # from the first
            [0.95, 0.5, 0.95],  # sure too soon: from the third
            [0.6, 0.05, 0.05],  # sure of the other class, and wrong: from the second
            [0.95, 0.95, 0.6],  # never: three looks
            [0.6, 0.6, 0.6],  # never, and stopped after two
        ]
    )
    made = columns(
        log_probability=answers,
        looks=torch.tensor([3, 3, 3, 3, 2]),
        target=torch.zeros(5, dtype=torch.int64),
    )
    assert looks_needed(made) == (1 + 3 + 2 + 3 + 2) / 5
    assert error_when_sure(made) == pytest.approx(1 / 5)
    assert looks_needed(made, 0.5) == 1.0  # all are, at once, and 0.5 is enough
    assert looks_needed(made, 0.99) == (3 + 3 + 3 + 3 + 2) / 5


def test_what_stops_is_wrong_by_what_it_answers_there() -> None:
    made = columns(
        log_probability=sure([[0.95, 0.99], [0.05, 0.01], [0.8, 0.2]]),
        looks=torch.tensor([2, 2, 2]),
        target=torch.tensor([0, 0, 0]),
    )
    assert looks_needed(made) == (1 + 1 + 2) / 3
    assert error_when_sure(made) == pytest.approx(2 / 3)


def test_a_single_look_needs_no_counting() -> None:
    once = columns(log_probability=sure([[0.95], [0.5], [0.5], [0.5]]), looks=torch.ones(4).long())
    assert looks_needed(once) is error_when_sure(once) is None
    sequence = columns(target=torch.zeros(4, 1, dtype=torch.int64))
    assert looks_needed(sequence) is error_when_sure(sequence) is None
