"""How well a map finds its target: densities (N, h, w) against boxes (N, M, 4), NaN where absent.

Boxes are (left, top, right, bottom) in [-1, 1], as in scenes; a map's cell is a rectangle there.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from hardattn.scenes import inside

Board = np.ndarray[Any, Any]  # as a rule (h, words, masks) of unsigned integers, a bit a cell


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
    weight = torch.from_numpy(np.sort(density.flatten(1).numpy(), axis=1)).double()
    cells = weight.shape[1]
    rank = torch.arange(1, cells + 1, dtype=torch.float64)
    total = weight.sum(1)
    mean_rank = (weight * rank).sum(1) / total.clamp_min(torch.finfo(torch.float64).tiny)
    return torch.where(total > 0, (2 * mean_rank - cells - 1) / cells, 0.0)


class Parts(NamedTuple):
    """What hangs together in masks, by sides or corners: P parts, those of a mask from the top."""

    which: Tensor  # (P,) int64, of which mask
    size: Tensor  # (P,) int64, cells
    box: Tensor  # (P, 4) around it


def parts(mask: Tensor) -> Parts:
    """(N, h, w) bool -> every part of every mask.

    A part grows from its first cell until it does not any more. A row of cells is the bits of a
    few machine words, so that all its cells grow at once, and all masks with them.
    """
    width = mask.shape[2]
    bits = next((bits for bits in (8, 16, 32) if width <= bits), 64)
    packed = np.packbits(mask.numpy(), 2, bitorder="little")
    packed = np.pad(packed, ((0, 0), (0, 0), (0, -packed.shape[2] % (bits // 8))))
    # (h, words, masks): masks last, so that rows are slices of contiguous memory.
    left = np.ascontiguousarray(packed.view(f"<u{bits // 8}").transpose(1, 2, 0))
    which = np.arange(left.shape[2])
    found = [which[:0]], [left[..., :0]]
    here = left.any((0, 1))
    left, which = left[..., here], which[here]
    part = _first(left)
    while len(which):
        grown = _neighbours(part, bits) & left
        done = np.flatnonzero((grown == part).all((0, 1)))
        part = grown
        if len(done):
            whole = part[..., done]
            found[0].append(which[done])
            found[1].append(whole)
            rest = left[..., done] & ~whole
            left[..., done], part[..., done] = rest, _first(rest)
            here = np.ones(len(which), bool)
            here[done] = rest.any((0, 1))
            if not here.all():
                left, part, which = left[..., here], part[..., here], which[here]
    board = np.concatenate(found[1], 2)
    size = np.bitwise_count(board).sum((0, 1), np.int64)
    across = np.ascontiguousarray(np.bitwise_or.reduce(board, 0).T).view(np.uint8)
    columns = np.unpackbits(across, axis=1, count=width, bitorder="little")
    return Parts(
        torch.from_numpy(np.concatenate(found[0])),
        torch.from_numpy(size),
        _around(columns.view(bool), np.ascontiguousarray(board.any(1).T)),
    )


class Overlaps(NamedTuple):
    """How well boxes around a map's parts fit, above each of several thresholds: see `overlaps`."""

    largest: Tensor  # (thresholds, N) the best IoU of the largest part with a target's box
    best: Tensor  # (thresholds, N) that of whichever part fits best

    def accuracy(self, iou: float = 0.5) -> float:
        """MaxBoxAcc: see `max_box_acc`."""
        return _at_the_best(self.largest, iou)

    def accuracy_v2(self) -> float:
        """MaxBoxAccV2: see `max_box_acc_v2`."""
        best = [_at_the_best(self.best, iou) for iou in (0.3, 0.5, 0.7)]
        return sum(best) / len(best)

    def iou(self) -> float:
        """Mean IoU of the target's box and the map's at the best threshold for all images."""
        return self.largest.mean(1).max().item()


def _at_the_best(found: Tensor, iou: float) -> float:
    return (found >= iou).double().mean(1).max().item()


def overlaps(density: Tensor, box: Tensor, thresholds: int = 20) -> Overlaps:
    """Of boxes around the parts of each map that lie above evenly spaced shares of its range.

    Above means more than, as in the published evaluation (cv2.THRESH_BINARY): at the lowest
    threshold, 0, a map's least cells are left out. Of a map that is alike everywhere nothing is
    left, and nothing found. Of equally large parts the first counts.

    Several figures come from these, which take longer than all else: compute them once.
    """
    images = len(density)
    flat = density.double().flatten(1)
    low, high = flat.amin(1)[:, None, None], flat.amax(1)[:, None, None]
    scaled = (density - low) / (high - low).clamp_min(torch.finfo(torch.float64).tiny)
    largest, best = torch.zeros(2, thresholds, images, dtype=torch.float64)
    for step in range(thresholds):
        which, size, around = parts(scaled > step / thresholds)
        iou = best_iou(around, box[which])
        best[step].scatter_reduce_(0, which, iou, "amax")
        # By size, then by how early it was found: a mask's parts are found from the top.
        rank = size * len(which) - torch.arange(len(which))
        most = torch.full((images,), -1).scatter_reduce_(0, which, rank, "amax")
        first = rank == most[which]
        largest[step, which[first]] = iou[first]
    return Overlaps(largest, best)


def max_box_acc(density: Tensor, box: Tensor, iou: float = 0.5) -> float:
    """MaxBoxAcc: the share of images whose box is found, at the best threshold for all of them.

    Choe et al. (2020, arXiv:2001.07437). Departure: the map is not blown up to the image's size
    first, so boxes end at the borders of its cells, and there are 20 thresholds instead of 1,000.
    """
    return overlaps(density, box).accuracy(iou)


def max_box_acc_v2(density: Tensor, box: Tensor) -> float:
    """MaxBoxAccV2: the mean of MaxBoxAcc at an IoU of 0.3, 0.5 and 0.7, where any part may match.

    Choe et al. (2020, arXiv:2007.04178). Departures as in `max_box_acc`.
    """
    return overlaps(density, box).accuracy_v2()


def pxap(density: Tensor, box: Tensor, thresholds: int = 1000) -> float:
    """PxAP: the area under the precision-recall curve of all cells of all images (Choe et al.
    2020, arXiv:2001.07437), each map scaled to its own range.

    Departures: the box stands in for the object's mask, of which scenes have none, so no map that
    follows a stroke reaches 1; a cell that lies in it by half counts half. NaN without a box.
    """
    inside = covered(density, box).amax(1).flatten()
    flat = density.double().flatten(1)
    low, high = flat.amin(1, keepdim=True), flat.amax(1, keepdim=True)
    scaled = (flat - low) / (high - low).clamp_min(torch.finfo(torch.float64).tiny)
    level = (scaled.nan_to_num(nan=0.0) * thresholds).long().flatten()
    # Cells above each threshold, from the highest; and how much of them lies in a box.
    count = torch.bincount(level, minlength=thresholds + 1).flip(0).cumsum(0)
    found = torch.bincount(level, inside, thresholds + 1).flip(0).cumsum(0)
    recall = found / found[-1]
    gain = recall.diff(prepend=torch.zeros(1, dtype=torch.float64))
    return (found / count.clamp_min(1) * gain).sum().item()


def effective_cells(density: Tensor) -> Tensor:
    """(N,): over how many cells a map spreads, exp(entropy), as a share; 0 of an empty one."""
    cells = density[0].numel()
    total = density.double().sum((1, 2))
    return (entropy(density) * math.log(cells)).exp() / cells * (total > 0)


def mass_iou(density: Tensor, box: Tensor, share: float = 0.5) -> Tensor:
    """(N,): best IoU with a target's box of the box around the smallest set of cells that holds
    that share of the map; all that weigh as much as its lightest are in it. 0 of an empty map.
    """
    weight = -np.sort(-density.flatten(1).numpy(), axis=1)
    mass = torch.from_numpy(weight).double().cumsum(1)
    # Half of a map of equals is half of them, whatever the rounding of their sum.
    enough = mass >= share * (1 - 1e-9) * mass[:, -1:]
    lightest = torch.from_numpy(weight).gather(1, enough.long().argmax(1, keepdim=True))
    mask: Board = (density >= lightest[..., None]).numpy()
    around = _around(np.any(mask, 1), np.any(mask, 2))
    return best_iou(around, box) * (mass[:, -1] > 0)


def centre_map(count: int, height: int, width: int, deviation: float = 0.5) -> Tensor:
    """(count, height, width): what attends to the centre of every image, a Gaussian.

    deviation: in half-sides. What does not beat it has learned no more than where objects tend to
    be.
    """
    down, across = (
        torch.special.log_ndtr(edges(side) / deviation).exp().diff() for side in (height, width)
    )
    density = down[:, None] * across
    return (density / density.sum()).float().expand(count, -1, -1)


def random_map(count: int, height: int, width: int, generator: torch.Generator) -> Tensor:
    """(count, height, width): what attends anywhere, each cell uniform in [0, 1] by itself."""
    return torch.rand(count, height, width, generator=generator)


def best_iou(around: Tensor, box: Tensor) -> Tensor:
    """(N, 4) boxes, (N, M, 4) targets -> (N,): the best IoU with a target, 0 if there is none."""
    return _iou(around[:, None], box.double()).nan_to_num(nan=0.0).amax(1)


def _neighbours(part: Board, bits: int) -> Board:
    """Cells together with those next to them, by sides and corners."""
    wide = part | part << 1 | part >> 1
    if part.shape[1] > 1:
        wide[:, 1:] |= part[:, :-1] >> (bits - 1)
        wide[:, :-1] |= part[:, 1:] << (bits - 1)
    grown = wide.copy()
    grown[1:] |= wide[:-1]
    grown[:-1] |= wide[1:]
    return grown


def _first(board: Board) -> Board:
    """The first cell alone, row by row, of each."""
    words = board.reshape(board.shape[0] * board.shape[1], board.shape[2])
    row, mask = (words != 0).argmax(0), np.arange(words.shape[1])
    word = words[row, mask]
    only = np.zeros_like(words)
    only[row, mask] = word & (~word + 1)
    return only.reshape(board.shape)


def _around(columns: Board, rows: Board) -> Tensor:
    """(P, w), (P, h) bool, which are in use -> (P, 4), the box around them."""
    sides = []
    for used in (columns, rows):
        border = edges(used.shape[1]).numpy()
        sides.append((border[used.argmax(1)], border[::-1][used[:, ::-1].argmax(1)]))
    (left, right), (top, bottom) = sides
    return torch.from_numpy(np.stack([left, top, right, bottom], 1))


def _iou(one: Tensor, other: Tensor) -> Tensor:
    """(..., 4), (..., 4) -> (...)."""
    least = torch.maximum(one[..., :2], other[..., :2])
    most = torch.minimum(one[..., 2:], other[..., 2:])
    common = (most - least).clamp_min(0).prod(-1)
    areas = [(each[..., 2:] - each[..., :2]).prod(-1) for each in (one, other)]
    return common / (areas[0] + areas[1] - common)
