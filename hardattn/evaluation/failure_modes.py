"""What attention may be suffering from: detectors of known failures, functions of `Columns`.

A detector finds a symptom, not a fault: where the target never moves, always looking at one place
is right. So what depends on where targets are takes it into account.
"""

import torch
from torch import Tensor

from hardattn.evaluation import localisation
from hardattn.evaluation.evaluate import Columns
from hardattn.evaluation.scanpath import chosen, has_target

DEAD = 1e-3  # half-sides, by which a look that stays may move; the most that a shut gate lets by
OPEN = 0.99  # from where on a coordinate is at the edge, and a gate wide open
MOST = 0.95  # share of the cells
SAME = 0.1  # half-sides, or share of the map, by which what is at the same place may differ
MIDDLE, AWAY = 0.25, 0.5  # half-sides from the centre, in x and in y
MASS = 0.5  # share of the looks, or of the map
NARROW = 0.25  # share of the cells

# The symptom, and of which images it can be told, both (N,) bool; None if of none.
Finding = tuple[Tensor, Tensor] | None


def states(columns: Columns) -> dict[str, float | None]:
    """The share of images with each symptom: of chosen looks, where there are any, or of the map.

    * dead: every look is within 0.001 of the look before; or all of the map is below 0.001, and its
      sum below a half, which that of a distribution is not, however many its cells.
    * saturated: every look is at the edge (beyond 0.99); or 95 % of the map, whose largest value is
      1, are gates wide open (above 0.99).
    * uniform: the map spreads over at least 95 % of its cells (`effective_cells`). None of looks.
    * collapsed: the same for every image. Each look is within 0.1 of the mean place of that look;
      or no more than 0.1 of the map's mass must be moved to make it the mean map. None if no
      target is further than 0.1 from their mean place.
    * centre_biased: at least half of the looks, or of the map, are within 0.25 of the centre in x
      and y, a sixteenth of the image. Only of images whose targets' centres are not within 0.5.
    * captured: settled on something else. The last two looks are within 0.1 of each other, and no
      look hit the target; or the map spreads over at most a quarter of the cells, and less of it
      is in the target's box than of the image. Whether that is a distractor columns do not know;
      on cluttered scenes little else is there.

    An image has one of these at most, the first in this order; but one that is centre-biased may
    be collapsed. None where there is nothing to tell from.
    """
    which = chosen(columns)
    if not columns.box.numel():
        columns = columns._replace(box=torch.full((len(columns.target), 1, 4), torch.nan))
    if which is not None:
        found = _of_looks(columns, which)
    elif columns.density.numel():
        found = _of_maps(columns.density, columns.box, has_target(columns))
    else:
        found = {}
    names = "dead", "saturated", "uniform", "collapsed", "centre_biased", "captured"
    return {name: _share(found.get(name)) for name in names}


def _of_looks(columns: Columns, which: Tensor) -> dict[str, Finding]:
    place, some = columns.location.double(), which.any(1)
    moved = place.diff(dim=1, prepend=place[:, :1]).norm(dim=-1)
    dead = some & _all(moved <= DEAD, which)
    saturated = some & _all(place.abs().amax(-1) >= OPEN, which) & ~dead
    rest = some & ~dead & ~saturated

    weight = which[..., None].double()
    mean = (weight * place).sum(0) / weight.sum(0).clamp_min(1)
    collapsed = rest & _all((place - mean).norm(dim=-1) <= SAME, which)
    central = (_within(place, MIDDLE) & which).sum(1) >= MASS * which.sum(1)
    central &= rest
    # The last two of three looks or more: the first was nobody's choice.
    last = columns.looks.clamp_min(3)[:, None, None] - torch.tensor([[[1], [2]]])
    ends = place.gather(1, last.clamp_max(place.shape[1] - 1).expand(-1, -1, 2))
    settled = (ends[:, 0] - ends[:, 1]).norm(dim=-1) <= SAME
    missed = ~(columns.hit & which).any(1)
    captured = rest & settled & missed & ~collapsed & ~central
    told = some & has_target(columns)
    return {
        "dead": (dead, some),
        "saturated": (saturated, some),
        "collapsed": (collapsed, some & _moving(columns.box)),
        "centre_biased": (central, told & _away(columns.box)),
        "captured": (captured, told & (columns.looks >= 3)),
    }


def _of_maps(density: Tensor, box: Tensor, there: Tensor) -> dict[str, Finding]:
    density = density.double()
    flat, tiny = density.flatten(1), torch.finfo(torch.float64).tiny
    total, largest = flat.sum(1), flat.amax(1)
    every = torch.ones(len(flat), dtype=torch.bool)
    dead = (largest < DEAD) & (total < 0.5)
    saturated = ((flat > OPEN).double().mean(1) >= MOST) & (largest <= 1)
    effective = localisation.effective_cells(density)
    uniform = (effective >= MOST) & ~dead & ~saturated
    rest = ~dead & ~saturated & ~uniform

    share = flat / total.clamp_min(tiny)[:, None]
    mean = share[rest].mean(0)
    collapsed = rest & ((share - mean).abs().sum(1) / 2 <= SAME)
    middle = torch.tensor([[-MIDDLE, -MIDDLE, MIDDLE, MIDDLE]]).expand(len(flat), 1, 4)
    central = rest & (localisation.energy(density, middle) >= MASS)
    expected = localisation.covered(density, box).amax(1).mean((1, 2))
    beside = localisation.energy(density, box) < expected
    captured = rest & (effective <= NARROW) & beside & ~collapsed & ~central
    return {
        "dead": (dead, every),
        "saturated": (saturated, every),
        "uniform": (uniform, every),
        "collapsed": (collapsed, every & _moving(box)),
        "centre_biased": (central, there & _away(box)),
        "captured": (captured, there),
    }


def _share(finding: Finding) -> float | None:
    if finding is None:
        return None
    symptom, told = finding
    return symptom[told].double().mean().item() if told.any() else None


def _all(true: Tensor, which: Tensor) -> Tensor:
    """(N,): whether it is true of every chosen look."""
    return (true | ~which).all(1)


def _within(point: Tensor, distance: float) -> Tensor:
    return (point.abs() <= distance).all(-1)


def _away(box: Tensor) -> Tensor:
    """(N,): whether no target is about the centre."""
    return ~_within((box[..., :2] + box[..., 2:]) / 2, AWAY).any(1)


def _moving(box: Tensor) -> Tensor:
    """() bool: whether targets are at different places."""
    centre = ((box[..., :2] + box[..., 2:]) / 2).double().nanmean(1)
    return ((centre - centre.nanmean(0)).norm(dim=-1) > SAME).any()
