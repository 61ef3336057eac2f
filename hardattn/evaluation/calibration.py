"""How sure an agent is, and whether rightly so: functions of `Columns`."""

from typing import NamedTuple

import torch
from torch import Tensor

from hardattn.evaluation.evaluate import Columns

SURE = 0.9  # the confidence that the table's figures ask for


class Reliability(NamedTuple):
    """A reliability diagram, (bins,) each; NaN where a bin is empty."""

    confidence: Tensor  # mean of the answers in the bin
    accuracy: Tensor  # share of them that is right
    count: Tensor  # type: ignore[assignment]  # int64, how many they are


class RiskCoverage(NamedTuple):
    """A risk-coverage curve, (N,) each, the most confident answers first."""

    coverage: Tensor  # share of the examples that are answered
    risk: Tensor  # share of wrong answers among them


def nll(columns: Columns) -> float:
    """Mean negative log-likelihood of the final answer, in nats."""
    return columns.nll[:, -1].double().mean().item()


def brier(columns: Columns) -> float | None:
    """Mean squared distance of the final probabilities from the one-hot target (Brier 1950)."""
    if columns.target.dim() > 1:  # the probabilities of all sequences are not at hand
        return None
    probability = columns.log_probability[:, -1].double().exp()
    truth = torch.nn.functional.one_hot(columns.target, probability.shape[-1])
    return ((probability - truth) ** 2).sum(-1).mean().item()


def reliability(columns: Columns, bins: int = 15) -> Reliability:
    """Final answers sorted by confidence into bins of equal width, each with its upper border."""
    confidence = columns.confidence[:, -1].double()
    inner = torch.linspace(0, 1, bins + 1, dtype=torch.float64)[1:-1]
    which = torch.bucketize(confidence, inner)
    count = torch.bincount(which, minlength=bins)

    def mean(value: Tensor) -> Tensor:
        return torch.zeros(bins, dtype=torch.float64).index_add_(0, which, value) / count

    return Reliability(mean(confidence), mean(columns.correct[:, -1].double()), count)


def ece(columns: Columns, bins: int = 15) -> float:
    """Expected calibration error, bins of equal width (Guo et al. 2017, arXiv:1706.04599)."""
    confidence, accuracy, count = reliability(columns, bins)
    some = count > 0
    return ((accuracy - confidence).abs() * count)[some].sum().item() / len(columns.target)


def risk_coverage(columns: Columns) -> RiskCoverage:
    """The error among the most confident answers, for each number of them that is given.

    Geifman & El-Yaniv (2017, arXiv:1705.08500). Equally confident answers are given in any order,
    and the mean over orders is taken.
    """
    confidence, group = columns.confidence[:, -1].unique(return_inverse=True)
    wrong = (~columns.correct[:, -1]).double()
    size = torch.bincount(group, minlength=len(confidence))
    share = torch.zeros(len(confidence), dtype=torch.float64).index_add_(0, group, wrong) / size
    # In the order of falling confidence, each answer with the error of all that are as confident.
    given = torch.arange(1, len(group) + 1)
    risk = share[group.sort(descending=True).values].cumsum(0) / given
    return RiskCoverage(given.double() / len(group), risk)


def aurc(columns: Columns) -> float:
    """Area under the risk-coverage curve (Geifman et al. 2019, arXiv:1805.08206): mean risk."""
    return risk_coverage(columns).risk.mean().item()


def error_auroc(columns: Columns) -> float | None:
    """How well confidence tells errors: the chance that a wrong answer is less confident than a
    right one, equals counting half. 0.5 is no better than a coin; None if all are right, or wrong.
    """
    good = columns.correct[:, -1]
    right, wrong = columns.confidence[good, -1], columns.confidence[~good, -1]
    if not len(right) or not len(wrong):
        return None
    right = right.sort().values
    below, upto = (torch.searchsorted(right, wrong, right=side) for side in (False, True))
    return 1 - ((below + upto).double().mean() / 2 / len(right)).item()


def settled(columns: Columns, level: float = SURE) -> Tensor:
    """(N,) int64: the look, counted from 1, from which on confidence stays at `level` or above.

    Where it never does, the last look that was taken. Known in hindsight: no rule for stopping.
    """
    from_here = (columns.confidence >= level).flip(1).cumprod(1).flip(1).bool()
    first = from_here.long().argmax(1) + 1
    return torch.where(from_here.any(1), first, columns.looks)


def looks_needed(columns: Columns, level: float = SURE) -> float | None:
    """Mean of `settled`. None of a single look, or of a sequence, which is not over before."""
    if columns.log_probability.shape[1] == 1 or columns.target.dim() > 1:
        return None
    return settled(columns, level).double().mean().item()


def error_when_sure(columns: Columns, level: float = SURE) -> float | None:
    """Share of wrong answers had each example been answered after the looks that it needed."""
    if looks_needed(columns, level) is None:
        return None
    answered = columns.correct.gather(1, settled(columns, level)[:, None] - 1)
    return 1 - answered.double().mean().item()
