"""How far up the true one of many candidates stands: functions of `Columns`."""

import torch
from torch import Tensor

from hardattn.evaluation.evaluate import Columns

MANY = 20  # answers, from which on it is asked how far up the truth stands


def rank(columns: Columns) -> Tensor | None:
    """(N,) int64: how many final answers are likelier than the true one, or as likely and before.

    None of fewer than MANY answers, and of sequences. All of them where what is answered is no
    number.
    """
    answers = columns.log_probability[:, -1]
    if columns.target.dim() > 1 or answers.shape[1] < MANY:
        return None
    true = answers.gather(1, columns.target[:, None])
    before = torch.arange(answers.shape[1]) < columns.target[:, None]
    ahead = ((answers > true) | ((answers == true) & before)).sum(1)
    return torch.where(answers.isnan().any(1), answers.shape[1], ahead)


def recall_1(columns: Columns) -> float | None:
    """Share of scenes whose truth is the likeliest of at least 20 answers."""
    return _recall(columns, 1)


def recall_5(columns: Columns) -> float | None:
    """Share of scenes whose truth is among the five likeliest of at least 20 answers."""
    return _recall(columns, 5)


def recall_10(columns: Columns) -> float | None:
    """Share of scenes whose truth is among the ten likeliest of at least 20 answers."""
    return _recall(columns, 10)


def _recall(columns: Columns, many: int) -> float | None:
    found = rank(columns)
    return None if found is None else (found < many).double().mean().item()
