"""Ranks by hand: the truth at the ceiling, chance at the floor."""

import math

import torch
from torch import Tensor

from hardattn.evaluation.evaluate import Columns
from hardattn.evaluation.metrics import compute
from hardattn.evaluation.ranks import rank
from tests.support.handmade import looking


def of(logits: Tensor, target: Tensor) -> Columns:
    made = looking(torch.zeros(len(logits), 1, 2))
    return made._replace(log_probability=logits.log_softmax(-1)[:, None], target=target)


def test_a_rank_is_how_many_are_ahead() -> None:
    logits = torch.zeros(4, 20)
    logits[0, 3] = 1.0  # the truth
    logits[1, :7] = 1.0  # seven others
    logits[3] = math.nan
    found = rank(of(logits, torch.tensor([3, 9, 5, 0])))
    assert found is not None and found.tolist() == [0, 7 + 2, 5, 20]
    recalls = compute(of(logits, torch.tensor([3, 9, 5, 0])))
    assert [recalls[f"recall_{many}"] for many in (1, 5, 10)] == [0.25, 0.25, 0.75]
    assert rank(of(logits[:, :19], torch.zeros(4, dtype=torch.int64))) is None


def test_chance_is_as_many_as_are_asked_for() -> None:
    draw = torch.Generator().manual_seed(0)
    found = compute(of(torch.rand(4000, 20, generator=draw), torch.arange(4000) % 20))
    for many in (1, 5, 10):
        assert abs(found[f"recall_{many}"] - many / 20) < 0.03
    assert abs(found["recall_1"] + found["error"] - 1) < 1e-9
