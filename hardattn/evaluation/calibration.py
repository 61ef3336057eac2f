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


def final(columns: Columns) -> tuple[Tensor, Tensor]:
    """(M,) confidence and (M,) bool, whether it is right, of every final answer.

    One an example; of several questions at once, one for each that is asked of each example.
    """
    if not columns.together:
        return columns.confidence[:, -1], columns.correct[:, -1]
    given = columns.log_probability[:, -1].max(-1).values.exp().nan_to_num(nan=0.0)
    right = columns.prediction[:, -1] == columns.target
    return given[columns.asked], right[columns.asked]


def nll(columns: Columns) -> float:
    """Mean negative log-likelihood of the final answer, in nats."""
    return columns.nll[:, -1].double().mean().item()


def brier(columns: Columns) -> float | None:
    """Mean squared distance of the final probabilities from the one-hot target (Brier 1950)."""
    probability, target = columns.log_probability[:, -1].double().exp(), columns.target
    if columns.together:
        probability, target = probability[columns.asked], target[columns.asked]
    elif target.dim() > 1:  # the probabilities of all sequences are not at hand
        return None
    truth = torch.nn.functional.one_hot(target, probability.shape[-1])
    return ((probability - truth) ** 2).sum(-1).mean().item()


def reliability(columns: Columns, bins: int = 15) -> Reliability:
    """Final answers sorted by confidence into bins of equal width, each with its upper border."""
    confidence, correct = final(columns)
    confidence = confidence.double()
    inner = torch.linspace(0, 1, bins + 1, dtype=torch.float64)[1:-1]
    which = torch.bucketize(confidence, inner)
    count = torch.bincount(which, minlength=bins)

    def mean(value: Tensor) -> Tensor:
        return torch.zeros(bins, dtype=torch.float64).index_add_(0, which, value) / count

    return Reliability(mean(confidence), mean(correct.double()), count)


def ece(columns: Columns, bins: int = 15) -> float:
    """Expected calibration error, bins of equal width (Guo et al. 2017, arXiv:1706.04599)."""
    confidence, accuracy, count = reliability(columns, bins)
    some = count > 0
    return ((accuracy - confidence).abs() * count)[some].sum().item() / int(count.sum())


def risk_coverage(columns: Columns) -> RiskCoverage:
    """The error among the most confident answers, for each number of them that is given.

    Geifman & El-Yaniv (2017, arXiv:1705.08500). Equally confident answers are given in any order,
    and the mean over orders is taken.
    """
    confidence, correct = final(columns)
    confidence, group = confidence.unique(return_inverse=True)
    wrong = (~correct).double()
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
    confidence, good = final(columns)
    right, wrong = confidence[good], confidence[~good]
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
    """Mean of `settled`. None of a single look, of a sequence, which is not over before, and of
    several questions at once, each of which settles when it does.
    """
    if columns.log_probability.shape[1] == 1 or columns.target.dim() > 1:
        return None
    return settled(columns, level).double().mean().item()


def error_when_sure(columns: Columns, level: float = SURE) -> float | None:
    """Share of wrong answers had each example been answered after the looks that it needed."""
    if looks_needed(columns, level) is None:
        return None
    answered = columns.correct.gather(1, settled(columns, level)[:, None] - 1)
    return 1 - answered.double().mean().item()
