"""Did the policy matter? What each agent loses when its observer is kept and its looks are not.

The one room where errors of swapped looks are subtracted and judged: for the page, for the command
that measures them, and for the table of those that are committed.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from hardattn.report.controls import script
from hardattn.report.runs import Group
from hardattn.report.titles import title
from hardattn.statistics.intervals import (
    Estimate,
    bootstrap_interval,
    paired_cluster_difference,
    within,
)

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
RETRAINED = "retrained"  # no swap, but an observer trained anew for the best fixed order
# What a policy is measured against, the first that there is; and as sentences call it.
AGAINST = {"random": "random", "mean": "the mean map"}
LOOKS = {"random": "random looks", "mean": "the mean map"}


class Gain(NamedTuple):
    """All seeds of one agent: what gain.json holds, and who was right when."""

    name: str
    title: str
    seeds: tuple[int, ...]
    found: tuple[dict[str, Any], ...]
    # Of each swap and of "own" (N,) bool, or the share of draws; "index": the image.
    right: tuple[dict[str, Any], ...]
    script: str = ""  # of a control, which has no policy to be asked about

    @property
    def swaps(self) -> tuple[str, ...]:
        """Those that every seed has."""
        first, *others = (one["swaps"] for one in self.found)
        return tuple(name for name in first if all(name in other for other in others))

    @property
    def reference(self) -> str:
        """The swap that the policy gain is over: random looks, of soft attention the mean map; ""
        where neither was measured for every seed.
        """
        return next((name for name in AGAINST if self.difference(name) is not None), "")

    @property
    def gain(self) -> Estimate | None:
        """Points of error more under the `reference`, as in `difference`."""
        return self.difference(self.reference) if self.reference else None

    @property
    def order(self) -> str:
        """Which fixed orders were the best ones to retrain for; "" where none was trained for."""
        known = {(one.get(RETRAINED) or {}).get("order") for one in self.found}
        return ", ".join(sorted(filter(None, known)))

    def difference(self, swap: str) -> Estimate | None:
        """Points of error more under a swap, or RETRAINED; below 0 that is better than its own.

        The interval is over training seeds; of a single one over test images, where it was kept who
        was right. None where a seed was not measured.
        """
        pairs = [(_error(one, swap), one["own"].get("error")) for one in self.found]
        gaps = [100 * (theirs - own) for theirs, own in pairs if _numbers(theirs, own)]
        if not gaps or len(gaps) != len(pairs):
            return None
        right = self.right[0] if len(self.found) == len(self.right) == 1 else {}
        if swap in right:
            theirs, own = (100.0 * (1 - right[name].double()).numpy() for name in (swap, "own"))
            return paired_cluster_difference(theirs, own, right["index"].numpy(), resamples=4000)
        return within(-100.0, 100.0, bootstrap_interval(gaps))

    def verdict(self, swap: str, against: str = "") -> str:
        """What the interval of a difference supports: its own looks are `better than random`.

        against: what the other looks are called, if not as in AGAINST.
        """
        word = verdict(self.difference(swap))
        return word if word == "unsure" else f"{word} than {against or AGAINST[swap]}"


def verdict(difference: Estimate | None) -> str:
    """Whether its own looks are better, worse or no better than those that it errs so much more
    with; unsure where there is no interval.
    """
    if difference is None or difference.low is None or difference.high is None:
        return "unsure"
    return "better" if difference.low > 0 else "worse" if difference.high < 0 else "no better"


def gain_of(group: Group) -> Gain | None:
    """What was measured of all seeds of a recipe; None where one of them was not."""
    found = [run.gain for run in group.runs if run.gain is not None]
    if len(found) != len(group.runs):
        return None
    right = tuple(run.gain_right or {} for run in group.runs) if len(found) == 1 else ()
    called = title(group.first)
    return Gain(group.name, called, group.seeds, tuple(found), right, script(group.first))


def sentence(found: Gain | None, decimals: int) -> str:
    """What the swaps say of an agent: whether where it looks matters, by how much."""
    gap = None if found is None else found.gain
    if found is None or gap is None:
        return ""
    other, word = LOOKS[found.reference], verdict(gap)
    size = f"{abs(gap.point):.{decimals}f} points"
    if word == "unsure":
        side = "more" if gap.point >= 0 else "less"
        said = f"With {other} the same observer errs {size} {side} (no interval)."
    elif word == "better":
        said = (
            f"Where it looks matters: with {other} the same observer errs {size} more "
            f"({gap.low:.{decimals}f} to {gap.high:.{decimals}f})."
        )
    else:
        said = f"Its looking is {word} than {other}: {size} of gain ({_range(gap, decimals)})."
    again = found.difference(RETRAINED)
    if again is None:
        return said
    side = "more" if again.point >= 0 else "less"
    sure = f" ({_range(again, decimals)})" if again.low is not None else ""
    return (
        f"{said} An observer trained for the best fixed order ({found.order}) errs "
        f"{abs(again.point):.{decimals}f} points {side} than it{sure}."
    )


def draws(gains: Iterable[Gain]) -> str:
    """Whose random looks these are; "" where no gain was measured."""
    counts = drawn(gains)
    said = []
    if counted := _counted(counts):
        said.append(
            f"Random looks, and other images' paths, are the mean of {counted} draws, each "
            "training seed's own."
        )
    if None in counts:
        said.append(
            "Gains that do not say how often they drew rest on one draw, which all seeds share."
        )
    return " ".join(said)


def drawn(gains: Iterable[Gain]) -> set[int | None]:
    """How many draws the random looks of each seed are; None of those that do not say."""
    return {one.get("draws") for gain in gains for one in gain.found}


def _counted(counts: Collection[int | None]) -> str:
    return " or ".join(map(str, sorted(filter(None, counts))))


def measured(groups: Sequence[Group]) -> list[Gain]:
    """The gains of those groups that have one."""
    return [found for group in groups if (found := gain_of(group)) is not None]


def _error(found: dict[str, Any], swap: str) -> Any:
    one = found.get(RETRAINED) if swap == RETRAINED else found["swaps"].get(swap)
    return (one or {}).get("error")


def _numbers(*values: Any) -> bool:
    return all(isinstance(value, int | float) for value in values)


def _range(found: Estimate, decimals: int) -> str:
    return f"{found.low:+.{decimals}f} to {found.high:+.{decimals}f}".replace("-", "−")
