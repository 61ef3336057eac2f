"""Did the policy matter? What each agent loses when its observer is kept and its looks are not."""

from collections.abc import Callable
from typing import Any

from hardattn.report.read import Group
from hardattn.stats import Estimate, bootstrap_interval

# In the order of the table of swaps; "policy gain" is over the first that was measured.
SWAPS = {
    "random": "random",
    "mean_map": "mean map",
    "centre": "centre",
    "raster": "raster",
    "shuffled": "another image's",
    "foreign_map": "another image's map",
    "reversed": "its own, reversed",
    "oracle": "oracle",
}


def gain(group: Group) -> Estimate | None:
    """Points of error more with random looks, or of soft attention with the mean map, and the
    interval over training seeds. None where it was not measured for every seed.
    """
    return next(filter(None, (added(group, name) for name in ("random", "mean_map"))), None)


def added(group: Group, swap: str) -> Estimate | None:
    """Points of error more under a swap than by its own looks; below 0 the swap is better."""
    return _points(group, lambda found: (found["swaps"].get(swap) or {}).get("error"))


def retrained(group: Group) -> Estimate | None:
    """The same of an observer that was trained anew for the best fixed order."""
    return _points(group, lambda found: (found.get("retrained") or {}).get("error"))


def order(group: Group) -> str:
    """Which fixed order was the best one, of the first seed; "" where none was trained for."""
    found = group.runs[0].gain or {}
    return str((found.get("retrained") or {}).get("order") or "")


def _points(group: Group, error: Callable[[Any], Any]) -> Estimate | None:
    """100 * (error of a swap - own error), over the seeds; all of them must have it."""
    found = [run.gain for run in group.runs]
    pairs = [(error(one), one["own"].get("error")) for one in found if one is not None]
    numbers = [pair for pair in pairs if all(isinstance(value, int | float) for value in pair)]
    if len(numbers) != len(group.runs):
        return None
    return bootstrap_interval([100 * (swapped - own) for swapped, own in numbers])
