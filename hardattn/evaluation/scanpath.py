"""Where an agent looked: functions of `Columns`, of the looks that it chose, all but the first.

Distances are in half-sides of the image, as locations are. None where nothing was chosen.
"""

import math

import torch
from torch import Tensor

from hardattn.evaluation.evaluate import Columns

CELLS = 8  # rows and columns of the grid on which visits are counted
# Of a density over the plane: narrower it cannot be told from a point, in float32.
LEAST = 2 * math.log(2.0**-24)
PATHS = 1000  # as many paths are compared, each with each


def taken(columns: Columns) -> Tensor:
    """(N, T) bool: looks that were taken before the agent stopped."""
    return torch.arange(columns.hit.shape[1]) < columns.looks[:, None]


def chosen(columns: Columns) -> Tensor | None:
    """(N, T) bool: looks that the agent chose, all that it took but the first; None if none."""
    which = taken(columns)
    which[:, 0] = False
    return which if which.any() and not columns.location.isnan().any() else None


def hit(columns: Columns) -> float | None:
    """Share of chosen looks that fall in a target's box, of images that have one."""
    which = chosen(columns)
    if which is None:
        return None
    if columns.box.numel():
        which = which & has_target(columns)[:, None]
    return columns.hit[which].double().mean().item() if which.any() else None


def frames_looked(columns: Columns) -> float | None:
    """Mean number of frames of a clip that were looked at; None of what is no clip."""
    if not columns.frame.numel():
        return None
    return columns.frame.any(1).sum(1).double().mean().item()


def has_target(columns: Columns) -> Tensor:
    """(N,) bool: whether there is a box, of some extent, that attention could find."""
    if not columns.box.numel():
        return torch.zeros(len(columns.target), dtype=torch.bool)
    return (columns.box[..., 2:] > columns.box[..., :2]).all(-1).any(-1)


def entropy(columns: Columns) -> float | None:
    """Mean entropy, in nats, of the distributions that the chosen places came from.

    None where it is less than LEAST: of what is as good as a point, such as weights over cells of
    which a Dirichlet leaves one, it only says how near to one, and grows below all bounds.
    """
    which = chosen(columns)
    if which is None:
        return None
    found = columns.entropy[which].double().mean().item()
    return found if found >= LEAST else None


def looks(columns: Columns) -> float:
    """Mean number of looks taken."""
    return columns.looks.double().mean().item()


def spread(columns: Columns) -> float | None:
    """How far looks differ between images: standard deviation of places, mean of chosen looks.

    0 is a policy that ignores its input; sqrt(1/3) = 0.577 is uniform over the image.
    """
    which = chosen(columns)
    if which is None:
        return None
    weight, place = which[..., None].double(), columns.location.double()
    count = weight.sum(0)
    mean = (weight * place).sum(0) / count.clamp(min=1)
    deviation = ((weight * (place - mean) ** 2).sum(0) / count.clamp(min=1)).sqrt()
    return ((deviation.mean(-1) * count[:, 0]).sum() / count.sum()).item()


def diversity(columns: Columns) -> float | None:
    """Mean distance between paths of different images, look by look: 0 of a fixed path.

    1.043 is uniform over the image. Of more than 1,000 images, 1,000 that are drawn by a fixed
    seed, each with each: that is off by about 0.01. None of a single image.
    """
    which = chosen(columns)
    if which is None or len(which) == 1:
        return None
    some = torch.randperm(len(which), generator=torch.Generator().manual_seed(0))[:PATHS]
    place, there = columns.location[some].transpose(0, 1), which[some].T.float()
    # By way of matrix products equal places would be some 1e-3 apart.
    apart = torch.cdist(place, place, compute_mode="donot_use_mm_for_euclid_dist")
    count = there.sum(1)
    pairs = (count * (count - 1)).sum()
    total = (there[:, None] @ apart @ there[..., None]).sum()
    return (total / pairs).item() if pairs else None


def saccade(columns: Columns) -> float | None:
    """Mean length of a saccade: how far a chosen look is from the look before."""
    which = chosen(columns)
    if which is None:
        return None
    return columns.location.double().diff(dim=1).norm(dim=-1)[which[:, 1:]].mean().item()


def centre_distance(columns: Columns) -> float | None:
    """Centre bias: mean distance of chosen looks from the centre; 0.765 is uniform."""
    which = chosen(columns)
    return None if which is None else columns.location.double().norm(dim=-1)[which].mean().item()


def coverage(columns: Columns, cells: int = CELLS) -> float | None:
    """Mean share of the cells of a grid, laid over the image, that chosen looks visited.

    What a look covers beyond its centre is not counted: it depends on the sensor.
    """
    which = chosen(columns)
    if which is None:
        return None
    visits = torch.zeros(len(which), cells**2, dtype=torch.int64)
    visits.scatter_add_(1, _cell(columns, cells), which.long())
    return (visits > 0).double().mean().item()


def revisits(columns: Columns, cells: int = CELLS) -> float | None:
    """Share of chosen looks in a cell of the grid where a look of the same image was before."""
    which = chosen(columns)
    if which is None:
        return None
    cell = _cell(columns, cells)
    same = cell[:, :, None] == cell[:, None, :]
    before = torch.ones(same.shape[1:], dtype=torch.bool).tril(-1)
    return (same & before).any(2)[which].double().mean().item()


def _cell(columns: Columns, cells: int) -> Tensor:
    """(N, T): the number of the cell that each look falls in; the outer edges are inside."""
    column, row = ((columns.location + 1) / 2 * cells).long().clamp(0, cells - 1).unbind(-1)
    return row * cells + column
