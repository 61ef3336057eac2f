"""How well what lies over the image was answered: masks, and key points. Functions of `Columns`.

None where nothing of that kind was asked; final answers count.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from hardattn.evaluation.evaluate import Columns

NEAR = 1  # cells from a boundary to one that still counts as the same
ALPHA = 0.2  # sides of the object from a key point to where it is still found


def mean_iou(columns: Columns) -> float | None:
    """Mean IoU of masks over classes, of the cells of all scenes (Everingham et al. 2010).

    The shared cells of a class over those that are of it or were answered so; the first answer,
    the background, is a class as any other. A class that neither is there nor was answered has
    none.
    """
    given = _masks(columns)
    if given is None:
        return None
    answer, target, asked = given
    classes = columns.log_probability.shape[-1]
    truth, said = target[asked], answer[asked]
    there = torch.bincount(truth, minlength=classes)
    claimed = torch.bincount(said[said >= 0], minlength=classes)
    shared = torch.bincount(truth[truth == said], minlength=classes)
    union = there + claimed - shared
    known = union > 0
    return (shared[known].double() / union[known]).mean().item() if known.any() else None


def boundary_f(columns: Columns, near: int = NEAR) -> float | None:
    """Boundary F of masks (Csurka et al. 2013): F1 of the cells on the borders of what is there.

    Of each scene and class but the background, of which there are cells or were answered: a cell
    is on the border of its class where one of the four beside it is of another, or the image ends.
    It counts as found where the other mask has one at most `near` cells away, diagonally as well.
    Mean over classes and scenes.
    """
    given = _masks(columns)
    if given is None:
        return None
    rows, cols = columns.layout[0, :2].tolist()
    answer, target, asked = (each.view(-1, rows, cols) for each in given)
    answer = answer.masked_fill(~asked, -1)
    target = target.masked_fill(~asked, -1)
    found = []
    for label in range(1, columns.log_probability.shape[-1]):
        ours, theirs = answer == label, target == label
        some = (ours | theirs).flatten(1).any(1)
        one, other = _border(ours[some]), _border(theirs[some])
        right = (one & _wider(other, near)).sum((1, 2)).double()
        hit = (other & _wider(one, near)).sum((1, 2)).double()
        precision = right / one.sum((1, 2)).clamp_min(1)
        recall = hit / other.sum((1, 2)).clamp_min(1)
        both = precision + recall
        found.append(2 * precision * recall / torch.where(both > 0, both, 1.0))
    every = torch.cat(found)
    return every.mean().item() if len(every) else None


def pck(columns: Columns, alpha: float = ALPHA) -> float | None:
    """Share of key points found (Yang & Ramanan 2013): PCK at `alpha` of the object's longer side.

    Distances are from the middle of the square that was answered to that of the true one; the
    object is the first box. Of points that are asked about, in scenes that have a box.
    """
    if not columns.together or not columns.layout.numel() or not columns.box.numel():
        return None
    rows, cols = columns.layout[0, 2:].tolist()
    asked = columns.asked & ~columns.box[:, 0].isnan().any(-1)[:, None]
    if not rows or not asked.any():
        return None
    answer, target = columns.prediction[:, -1], columns.target
    down, across = (
        (answer // cols - target // cols).double(),
        (answer % cols - target % cols).double(),
    )
    low, high = columns.box[:, 0].double().unflatten(-1, (2, 2)).unbind(1)
    side = ((high - low) / 2 * torch.tensor([cols, rows])).amax(-1)
    near = (down**2 + across**2).sqrt() <= alpha * side[:, None]
    return (near & (answer >= 0))[asked].double().mean().item()


def _masks(columns: Columns) -> tuple[Tensor, Tensor, Tensor] | None:
    """(N, P) final answers, targets, and which were asked, of masks; None of anything else."""
    if not columns.together or not columns.layout.numel() or not int(columns.layout[0, 0]):
        return None
    return columns.prediction[:, -1], columns.target, columns.asked


def _border(mask: Tensor) -> Tensor:
    """(B, h, w) bool -> the cells of which one of the four beside them is not in it."""
    around = F.pad(mask, (1, 1, 1, 1))
    inner = around[:, :-2, 1:-1] & around[:, 2:, 1:-1] & around[:, 1:-1, :-2] & around[:, 1:-1, 2:]
    return mask & ~inner


def _wider(mask: Tensor, by: int) -> Tensor:
    """(B, h, w) bool -> with all cells that are at most so many away."""
    if not len(mask) or not by:
        return mask
    return F.max_pool2d(mask.float()[:, None], 2 * by + 1, stride=1, padding=by)[:, 0] > 0
