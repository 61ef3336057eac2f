"""Columns become figures. Each metric is a function of `Columns`; None where it has no meaning."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from hardattn import localisation
from hardattn.evaluate import Columns

Figure = float | list[float] | None


def error(columns: Columns) -> float:
    """Share of wrong final answers. Right means the most probable class, not a class above 1/K."""
    return 1 - columns.correct[:, -1].double().mean().item()


def error_after(columns: Columns) -> list[float]:
    """`error` had the agent stopped after each look."""
    return [1 - share for share in columns.correct.double().mean(0).tolist()]


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


def ece(columns: Columns, bins: int = 15) -> float:
    """Expected calibration error, bins of equal width (Guo et al. 2017, arXiv:1706.04599)."""
    confidence = columns.confidence[:, -1].double()
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64)
    which = torch.bucketize(confidence, edges[1:-1])
    gap = columns.correct[:, -1].double() - confidence
    total = torch.zeros(bins, dtype=torch.float64).index_add_(0, which, gap)
    return (total.abs().sum() / len(gap)).item()


def hit(columns: Columns) -> float | None:
    """Share of looks that fall in the target's box, of those the agent chose: all but the first."""
    chosen = _taken(columns)
    chosen[:, 0] = False
    if not chosen.any() or columns.location.isnan().any():
        return None
    return columns.hit[chosen].double().mean().item()


def spread(columns: Columns) -> float | None:
    """How far looks differ between images: standard deviation of places, mean of chosen looks.

    0 is a policy that ignores its input; sqrt(1/3) = 0.577 is uniform over the image.
    """
    chosen = _taken(columns)
    chosen[:, 0] = False
    if not chosen.any() or columns.location.isnan().any():
        return None
    weight, place = chosen[..., None].double(), columns.location.double()
    count = weight.sum(0)
    mean = (weight * place).sum(0) / count.clamp(min=1)
    deviation = ((weight * (place - mean) ** 2).sum(0) / count.clamp(min=1)).sqrt()
    return ((deviation.mean(-1) * count[:, 0]).sum() / count.sum()).item()


def entropy(columns: Columns) -> float | None:
    """Mean entropy, in nats, of the distributions that the chosen places came from."""
    chosen = _taken(columns)
    chosen[:, 0] = False
    if not chosen.any() or columns.location.isnan().any():
        return None
    return columns.entropy[chosen].double().mean().item()


def looks(columns: Columns) -> float:
    """Mean number of looks taken."""
    return columns.looks.double().mean().item()


def aurc(columns: Columns) -> float:
    """Area under the risk-coverage curve (Geifman et al. 2019, arXiv:1805.08206): the error among
    the most confident answers, mean over how many of them are given. Equally confident answers are
    given in any order, and the mean over orders is taken.
    """
    confidence, group = columns.confidence[:, -1].unique(return_inverse=True)
    wrong = (~columns.correct[:, -1]).double()
    size = torch.zeros(len(confidence), dtype=torch.float64).index_add_(
        0, group, torch.ones_like(wrong)
    )
    share = torch.zeros_like(size).index_add_(0, group, wrong) / size
    # In the order of falling confidence, each answer with the error of all that are as confident.
    risk = share[group[group.argsort(descending=True)]].cumsum(0)
    return (risk / torch.arange(1, len(risk) + 1)).mean().item()


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


def pointing(columns: Columns) -> float | None:
    """Pointing game of what was attended to."""
    return _of(columns.density, lambda map: localisation.pointing(map, columns.box))


def box_accuracy(columns: Columns) -> float | None:
    """MaxBoxAcc at an IoU of 0.5 of what was attended to."""
    return _of(columns.density, lambda map: localisation.max_box_acc(map, columns.box))


def box_iou(columns: Columns) -> float | None:
    """Mean IoU of the target's box and that of what was attended to, at the best threshold."""
    return _of(columns.density, lambda map: localisation.max_box_iou(map, columns.box))


def energy(columns: Columns) -> float | None:
    """Mean share of what was attended to that lies in a target's box."""
    return _of(columns.density, lambda map: localisation.energy(map, columns.box))


def map_entropy(columns: Columns) -> float | None:
    """Mean entropy of what was attended to: 0 is one cell, 1 is all alike."""
    return _of(columns.density, localisation.entropy)


def gini(columns: Columns) -> float | None:
    """Mean Gini coefficient of what was attended to: 0 is all alike, towards 1 a single cell."""
    return _of(columns.density, localisation.gini)


def kept(columns: Columns) -> float | None:
    """Mean share of cells that were attended to at all: 1 of soft attention, less of masks."""
    return _of(columns.density, lambda map: map > 0)


def activation_pointing(columns: Columns) -> float | None:
    """Pointing game of the class activation map."""
    return _of(columns.activation, lambda map: localisation.pointing(map, columns.box))


def activation_box_accuracy(columns: Columns) -> float | None:
    """MaxBoxAcc at an IoU of 0.5 of the class activation map."""
    return _of(columns.activation, lambda map: localisation.max_box_acc(map, columns.box))


METRICS: dict[str, Callable[[Columns], Figure]] = {
    "error": error,
    "error_after": error_after,
    "nll": nll,
    "brier": brier,
    "ece": ece,
    "aurc": aurc,
    "error_auroc": error_auroc,
    "hit": hit,
    "spread": spread,
    "entropy": entropy,
    "looks": looks,
    "pointing": pointing,
    "box_accuracy": box_accuracy,
    "box_iou": box_iou,
    "energy": energy,
    "map_entropy": map_entropy,
    "gini": gini,
    "kept": kept,
    "activation_pointing": activation_pointing,
    "activation_box_accuracy": activation_box_accuracy,
}


def figures(columns: Columns) -> dict[str, Figure | int]:
    """Every metric of the table, and n, the number of examples."""
    table: dict[str, Figure | int] = {"n": len(columns.target)}
    for name, metric in METRICS.items():
        figure = metric(columns)
        # A diverged net answers with NaN or infinity, which are no JSON.
        table[name] = None if isinstance(figure, float) and not math.isfinite(figure) else figure
    return table


def _of(density: Tensor, measure: Callable[[Tensor], Tensor | float]) -> float | None:
    """What a measure says of maps, mean over images; None where there are no maps."""
    if not density.numel():
        return None
    found = measure(density)
    return found.double().mean().item() if isinstance(found, Tensor) else found


def _taken(columns: Columns) -> Tensor:
    """(N, T) bool: looks that were taken before the agent stopped."""
    return torch.arange(columns.hit.shape[1]) < columns.looks[:, None]
