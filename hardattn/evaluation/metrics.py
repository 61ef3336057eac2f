"""Columns become figures. Each metric is a function of `Columns`; None where it has no meaning."""

import math
from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from hardattn.evaluation import localisation, ranks, scanpath, sentences
from hardattn.evaluation.calibration import (
    aurc as aurc,
    brier as brier,
    ece as ece,
    error_auroc as error_auroc,
    error_when_sure as error_when_sure,
    looks_needed as looks_needed,
    nll as nll,
    reliability as reliability,
    risk_coverage as risk_coverage,
)
from hardattn.evaluation.evaluate import Columns
from hardattn.evaluation.tradeoff import (
    error_at_cost as error_at_cost,
    error_by_cost as error_by_cost,
    pareto as pareto,
    pareto_apart as pareto_apart,
    pareto_area as pareto_area,
)

Figure = float | list[float] | None


def error(columns: Columns) -> float:
    """Share of wrong final answers. Right means the most probable class, not a class above 1/K."""
    return 1 - columns.correct[:, -1].double().mean().item()


def error_after(columns: Columns) -> list[float]:
    """`error` had the agent stopped after each look."""
    return [1 - share for share in columns.correct.double().mean(0).tolist()]


class LookedAndAnswered(NamedTuple):
    """Shares of the images with a target, which sum to one; and what they say of the answer."""

    looked_right: float
    looked_wrong: float  # wrong although it looked
    missed_right: float  # right, but not because it looked
    missed_wrong: float
    accuracy_looked: float | None  # among those where it looked at the target; None: there are none
    accuracy_missed: float | None


def looked_and_answered(columns: Columns) -> LookedAndAnswered | None:
    """Did it look at the target, and was the answer right?

    It looked where a chosen look lies in a target's box; where nothing was chosen, where the map
    points there. None where there is neither, or no target.
    """
    which, there = scanpath.chosen(columns), scanpath.has_target(columns)
    if not there.any() or (which is None and not columns.density.numel()):
        return None
    if which is not None:
        looked = (columns.hit & which).any(1)
    else:
        looked = localisation.pointing(columns.density, columns.box)
    looked, right = looked[there], columns.correct[there, -1]
    shares = [
        (looks & answer).double().mean().item()
        for looks in (looked, ~looked)
        for answer in (right, ~right)
    ]
    accuracies = [
        right[looks].double().mean().item() if looks.any() else None for looks in (looked, ~looked)
    ]
    return LookedAndAnswered(*shares, *accuracies)


def looked(columns: Columns) -> float | None:
    """Share of images on whose target the agent looked, or its map pointed: any look will do."""
    found = looked_and_answered(columns)
    return None if found is None else found.looked_right + found.looked_wrong


def accuracy_looked(columns: Columns) -> float | None:
    """Share of right answers where it looked at the target."""
    found = looked_and_answered(columns)
    return None if found is None else found.accuracy_looked


def accuracy_missed(columns: Columns) -> float | None:
    """Share of right answers where it did not look at the target: right for another reason."""
    found = looked_and_answered(columns)
    return None if found is None else found.accuracy_missed


class Once(Columns):
    """Columns while they are measured: what several figures come from is computed once."""

    @cached_property
    def overlaps(self) -> localisation.Overlaps | None:
        """Of what was attended to; None where there is no map, or no target."""
        known = _with_target(self, self.density)
        return None if known is None else localisation.overlaps(*known)


def once(columns: Columns) -> Once:
    """The same columns, for several metrics one after the other."""
    return columns if isinstance(columns, Once) else Once(*columns)


def pointing(columns: Columns) -> float | None:
    """Pointing game of what was attended to."""
    return _found(columns, columns.density, localisation.pointing)


def box_accuracy(columns: Columns, iou: float = 0.5) -> float | None:
    """MaxBoxAcc, at an IoU of 0.5, of what was attended to."""
    found = once(columns).overlaps
    return None if found is None else found.accuracy(iou)


def box_accuracy_30(columns: Columns) -> float | None:
    """MaxBoxAcc at an IoU of 0.3."""
    return box_accuracy(columns, 0.3)


def box_accuracy_70(columns: Columns) -> float | None:
    """MaxBoxAcc at an IoU of 0.7."""
    return box_accuracy(columns, 0.7)


def box_accuracy_v2(columns: Columns) -> float | None:
    """MaxBoxAccV2 of what was attended to."""
    found = once(columns).overlaps
    return None if found is None else found.accuracy_v2()


def box_iou(columns: Columns) -> float | None:
    """Mean IoU of the target's box and that of what was attended to, at the best threshold."""
    found = once(columns).overlaps
    return None if found is None else found.iou()


def mass_iou(columns: Columns) -> float | None:
    """Mean IoU of the target's box and the box around the cells that hold half of attention."""
    return _found(columns, columns.density, localisation.mass_iou)


def pxap(columns: Columns) -> float | None:
    """Pixel average precision of what was attended to; the box stands in for the mask."""
    return _found(columns, columns.density, localisation.pxap)


def energy(columns: Columns) -> float | None:
    """Mean share of what was attended to that lies in a target's box."""
    return _found(columns, columns.density, localisation.energy)


def map_entropy(columns: Columns) -> float | None:
    """Mean entropy of what was attended to: 0 is one cell, 1 is all alike."""
    return _of(columns.density, localisation.entropy)


def effective_cells(columns: Columns) -> float | None:
    """Mean share of cells over which attention spreads: the exponential of its entropy."""
    return _of(columns.density, localisation.effective_cells)


def gini(columns: Columns) -> float | None:
    """Mean Gini coefficient of what was attended to: 0 is all alike, towards 1 a single cell."""
    return _of(columns.density, localisation.gini)


def kept(columns: Columns) -> float | None:
    """Mean share of cells that were attended to at all: 1 of soft attention, less of masks."""
    return _of(columns.density, lambda map: map > 0)


def activation_pointing(columns: Columns) -> float | None:
    """Pointing game of the class activation map."""
    return _found(columns, columns.activation, localisation.pointing)


def activation_box_accuracy(columns: Columns) -> float | None:
    """MaxBoxAcc at an IoU of 0.5 of the class activation map."""
    return _found(columns, columns.activation, localisation.max_box_acc)


# What `density` says of where it attended.
MAPS: dict[str, Callable[[Columns], Figure]] = {
    "pointing": pointing,
    "box_accuracy_30": box_accuracy_30,
    "box_accuracy": box_accuracy,
    "box_accuracy_70": box_accuracy_70,
    "box_accuracy_v2": box_accuracy_v2,
    "box_iou": box_iou,
    "mass_iou": mass_iou,
    "pxap": pxap,
    "energy": energy,
    "map_entropy": map_entropy,
    "effective_cells": effective_cells,
    "gini": gini,
    "kept": kept,
}

METRICS: dict[str, Callable[[Columns], Figure]] = {
    "error": error,
    "error_after": error_after,
    "nll": nll,
    "brier": brier,
    "ece": ece,
    "aurc": aurc,
    "error_auroc": error_auroc,
    "looks_needed": looks_needed,
    "error_when_sure": error_when_sure,
    "looks": scanpath.looks,
    "hit": scanpath.hit,
    "looked": looked,
    "accuracy_looked": accuracy_looked,
    "accuracy_missed": accuracy_missed,
    "spread": scanpath.spread,
    "diversity": scanpath.diversity,
    "entropy": scanpath.entropy,
    "saccade": scanpath.saccade,
    "coverage": scanpath.coverage,
    "revisits": scanpath.revisits,
    "centre_distance": scanpath.centre_distance,
    **MAPS,
    "activation_pointing": activation_pointing,
    "activation_box_accuracy": activation_box_accuracy,
    "token_accuracy": sentences.token_accuracy,
    "bleu_4": sentences.bleu_4,
    "cider": sentences.cider,
    "grounding": sentences.grounding,
    "recall_1": ranks.recall_1,
    "recall_5": ranks.recall_5,
    "recall_10": ranks.recall_10,
}


# What cannot be said where no target has a box.
OF_BOXES = (
    *("hit", "looked", "accuracy_looked", "accuracy_missed"),
    *(name for name in MAPS if name not in ("map_entropy", "effective_cells", "gini", "kept")),
    *("activation_pointing", "activation_box_accuracy"),
)


def compute(columns: Columns) -> dict[str, Figure | int]:
    """Every metric of the table, and n, the number of examples."""
    found = _measured(METRICS, columns)
    return {"n": len(columns.target), **found}


def references(columns: Columns, side: int = 12, seed: int = 0) -> dict[str, dict[str, Figure]]:
    """What maps that never saw the image score on the same targets: rows beside any agent's.

    They have as many cells as the agent's map or, where it has none, `side` a side.
    """
    like = next((map for map in (columns.density, columns.activation) if map.numel()), None)
    height, width = (side, side) if like is None else like.shape[1:]
    size = len(columns.target), height, width
    generator = torch.Generator().manual_seed(seed)
    maps = {
        "centre map": localisation.centre_map(*size),
        "random map": localisation.random_map(*size, generator),
    }
    return {name: _measured(MAPS, columns._replace(density=map)) for name, map in maps.items()}


def _measured(table: dict[str, Callable[[Columns], Figure]], columns: Columns) -> dict[str, Figure]:
    """Every metric of a table, as JSON has it."""
    found: dict[str, Figure] = {}
    columns = once(columns)
    for name, metric in table.items():
        figure = metric(columns)
        # A diverged net answers with NaN or infinity, which are no JSON.
        found[name] = None if isinstance(figure, float) and not math.isfinite(figure) else figure
    return found


def _of(density: Tensor, measure: Callable[[Tensor], Tensor]) -> float | None:
    """What a measure says of maps, mean over images; None where there are no maps."""
    return measure(density).double().mean().item() if density.numel() else None


def _found(
    columns: Columns, density: Tensor, measure: Callable[[Tensor, Tensor], Tensor | float]
) -> float | None:
    """What a measure says of maps and targets, over the images that have one; None without any."""
    known = _with_target(columns, density)
    if known is None:
        return None
    found = measure(*known)
    return found.double().mean().item() if isinstance(found, Tensor) else found


def _with_target(columns: Columns, density: Tensor) -> tuple[Tensor, Tensor] | None:
    """Maps and boxes of the images that have a target; None where there are none."""
    if not density.numel() or not columns.box.numel():
        return None
    there = scanpath.has_target(columns)
    if there.all():
        return density, columns.box
    return (density[there], columns.box[there]) if there.any() else None
