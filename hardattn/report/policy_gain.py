"""Did the policy matter? What each agent loses when its observer is kept and its looks are not."""

from collections.abc import Callable, Sequence
from typing import Any

from hardattn.report.runs import Group
from hardattn.stats import Estimate, bootstrap_interval, paired_cluster_difference, within

# Who else chose the looks or the map, in the order of the table of swaps.
SWAPS = {
    "random": "random",
    "centre": "centre",
    "raster": "raster",
    "mean": "the mean one",
    "shuffled": "another image's",
    "foreign": "another image's",
    "reversed": "its own, reversed",
    "oracle": "oracle",
}
AGAINST = {"random": "random looks", "mean": "the mean map"}


def reference(group: Group) -> str:
    """The swap that the policy gain is over: random looks, of soft attention the mean map; ""
    where neither was measured for every seed.
    """
    return next((name for name in AGAINST if added(group, name) is not None), "")


def gain(group: Group) -> Estimate | None:
    """Points of error more under the `reference`, and the interval, as in `added`."""
    name = reference(group)
    return added(group, name) if name else None


def added(group: Group, swap: str) -> Estimate | None:
    """Points of error more under a swap than by its own looks; below 0 the swap is better.

    The interval is over training seeds; of a single one over test images, where it was kept who was
    right. None where a seed was not measured.
    """
    found = _points(group, lambda found: (found["swaps"].get(swap) or {}).get("error"))
    right = group.runs[0].gain_right if len(group.runs) == 1 else None
    if found is None or right is None or swap not in right:
        return found
    theirs, own = (100.0 * (1 - right[name].double()).numpy() for name in (swap, "own"))
    return paired_cluster_difference(theirs, own, right["index"].numpy(), resamples=4000)


def retrained(group: Group) -> Estimate | None:
    """The same of an observer that was trained anew for the best fixed order."""
    return _points(group, lambda found: (found.get("retrained") or {}).get("error"))


def order(group: Group) -> str:
    """Which fixed order was the best one, of the first seed; "" where none was trained for."""
    found = group.runs[0].gain or {}
    return str((found.get("retrained") or {}).get("order") or "")


def draws(groups: Sequence[Group]) -> str:
    """Whose random looks these are; "" where no gain was measured."""
    found = {run.gain.get("draws") for group in groups for run in group.runs if run.gain}
    known = sorted(number for number in found if number)
    said = []
    if known:
        count = " or ".join(map(str, known))
        said.append(
            f"Random looks, and other images' paths, are the mean of {count} draws, each training "
            "seed's own."
        )
    if None in found:
        said.append(
            "Gains that do not say how often they drew rest on one draw, which all seeds share."
        )
    return " ".join(said)


def _points(group: Group, error: Callable[[Any], Any]) -> Estimate | None:
    """100 * (error of a swap - own error), over the seeds; all of them must have it."""
    found = [run.gain for run in group.runs]
    pairs = [(error(one), one["own"].get("error")) for one in found if one is not None]
    numbers = [pair for pair in pairs if all(isinstance(value, int | float) for value in pair)]
    if len(numbers) != len(group.runs):
        return None
    gaps = [100 * (swapped - own) for swapped, own in numbers]
    return within(-100.0, 100.0, bootstrap_interval(gaps))
