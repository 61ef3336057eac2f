"""How well a map finds its target: densities (N, h, w) against boxes (N, M, 4), NaN where absent.

Boxes are (left, top, right, bottom) in [-1, 1], as in scenes; a map's cell is a rectangle there.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from hardattn.scenes import inside


def edges(count: int) -> Tensor:
    """(count + 1,) borders of the cells along one side."""
    return torch.linspace(-1, 1, count + 1, dtype=torch.float64)


def covered(density: Tensor, box: Tensor) -> Tensor:
    """(N, M, h, w): the share of each cell that lies in each box; 0 of absent boxes."""
    height, width = density.shape[1:]
    box = box.double().nan_to_num(nan=2.0)

    def share(first: Tensor, last: Tensor, count: int) -> Tensor:
        border = edges(count)
        low = torch.maximum(first[..., None], border[:-1])
        high = torch.minimum(last[..., None], border[1:])
        return (high - low).clamp_min(0) * count / 2

    across = share(box[..., 0], box[..., 2], width)
    down = share(box[..., 1], box[..., 3], height)
    return down[..., :, None] * across[..., None, :]


def pointing(density: Tensor, box: Tensor) -> Tensor:
    """(N,) bool, the pointing game: the centre of the largest cell, the first of equals, is in a
    box (Zhang et al. 2018, arXiv:1608.00507; without their tolerance of 15 pixels).
    """
    height, width = density.shape[1:]
    cell = density.flatten(1).argmax(1)
    x = (2 * (cell % width).double() + 1) / width - 1
    y = (2 * torch.div(cell, width, rounding_mode="floor").double() + 1) / height - 1
    return inside(torch.stack([x, y], 1), box.double())


def energy(density: Tensor, box: Tensor) -> Tensor:
    """(N,): the share of the map that lies in any box; 0 of an empty map."""
    weight = covered(density, box).amax(1)
    total = density.double().sum((1, 2))
    return (weight * density).sum((1, 2)) / total.clamp_min(torch.finfo(torch.float64).tiny)


def entropy(density: Tensor) -> Tensor:
    """(N,): entropy over the logarithm of the number of cells: 0 is one cell, 1 is all alike."""
    share = density.double().flatten(1)
    share = share / share.sum(1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)
    cells = torch.tensor(float(share.shape[1]), dtype=torch.float64)
    return torch.special.entr(share).sum(1) / torch.log(cells)


def gini(density: Tensor) -> Tensor:
    """(N,): Gini coefficient of the cells: 0 is all alike, 1 - 1 / cells is one of them; 0 of an
    empty map.
    """
    weight = density.double().flatten(1).sort(1).values
    cells = weight.shape[1]
    rank = torch.arange(1, cells + 1, dtype=torch.float64)
    total = weight.sum(1)
    mean_rank = (weight * rank).sum(1) / total.clamp_min(torch.finfo(torch.float64).tiny)
    return torch.where(total > 0, (2 * mean_rank - cells - 1) / cells, 0.0)


def largest(mask: Tensor) -> Tensor:
    """(N, h, w) bool -> its largest part that hangs together by sides or corners; the first of
    equals.
    """
    count, height, width = mask.shape
    # Images last: neighbours are then slices of contiguous memory.
    within = mask.permute(1, 2, 0).contiguous()
    number = torch.arange(1, height * width + 1, dtype=torch.int32).view(height, width, 1)
    label = F.pad(number * within, (0, 0, 1, 1, 1, 1))
    inner = label[1:-1, 1:-1]
    while True:  # the largest label spreads through its part
        rows = torch.maximum(torch.maximum(label[:-2], label[2:]), label[1:-1])
        spread = torch.maximum(torch.maximum(rows[:, :-2], rows[:, 2:]), rows[:, 1:-1]) * within
        if torch.equal(spread, inner):
            break
        inner.copy_(spread)
    which = inner.permute(2, 0, 1).flatten(1).long()
    size = torch.zeros(count, height * width + 1, dtype=torch.int64)
    size.scatter_add_(1, which, torch.ones_like(which))
    size[:, 0] = 0
    return mask & (which.view_as(mask) == size.argmax(1)[:, None, None])


def overlap(density: Tensor, box: Tensor, thresholds: int = 20) -> Tensor:
    """(thresholds, N): best IoU with a target's box of the box around the largest part of the map
    that is above each threshold, evenly spaced shares of the map's range.
    """
    flat = density.double().flatten(1)
    low, high = flat.amin(1)[:, None, None], flat.amax(1)[:, None, None]
    scaled = (density - low) / (high - low).clamp_min(torch.finfo(torch.float64).tiny)
    height, width = density.shape[1:]
    x, y = edges(width), edges(height)
    found = []
    for step in range(thresholds):
        mask = largest(scaled >= step / thresholds)
        columns, rows = mask.any(1), mask.any(2)
        left, top = x[columns.long().argmax(1)], y[rows.long().argmax(1)]
        right = x[width - columns.flip(1).long().argmax(1)]
        bottom = y[height - rows.flip(1).long().argmax(1)]
        around = torch.stack([left, top, right, bottom], 1)[:, None]
        iou = _iou(around, box.double()).nan_to_num(nan=0.0).amax(1)
        found.append(iou * mask.any(2).any(1))
    return torch.stack(found)


def max_box_acc(density: Tensor, box: Tensor, iou: float = 0.5) -> float:
    """MaxBoxAcc: the share of images whose box is found, at the best threshold for all of them.

    Choe et al. (2020, arXiv:2001.07437). Departure: the map is not blown up to the image's size
    first, so boxes end at the borders of its cells, and there are 20 thresholds instead of 1,000.
    """
    return (overlap(density, box) >= iou).double().mean(1).max().item()


def max_box_iou(density: Tensor, box: Tensor) -> float:
    """Mean IoU of the target's box and the map's, as in `max_box_acc` at the best threshold."""
    return overlap(density, box).mean(1).max().item()


def _iou(one: Tensor, other: Tensor) -> Tensor:
    """(..., 4), (..., 4) -> (...)."""
    least = torch.maximum(one[..., :2], other[..., :2])
    most = torch.minimum(one[..., 2:], other[..., 2:])
    common = (most - least).clamp_min(0).prod(-1)
    areas = [(each[..., 2:] - each[..., :2]).prod(-1) for each in (one, other)]
    return common / (areas[0] + areas[1] - common)
