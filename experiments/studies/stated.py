"""What a claim is: a difference between two results, or from a number, and where it lies."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from ..kinds import Json

Figure = Callable[[Json], float]


def figure(name: str, kind: str = "greedy", times: float = 1.0) -> Figure:
    """A figure of a run. kind: of one pass as in use, or of the average of sampled passes."""
    return lambda run: times * run["figures"][kind][name]


def correct(run: Json) -> float:
    """Share of right answers, in percent."""
    return 100 * (1 - float(run["figures"]["greedy"]["error"]))


ERROR = figure("error", times=100)


@dataclass(frozen=True)
class Claim:
    """`figure` of the results named `one`, minus that of `other` or minus a number, is below
    `bound` (or above it, where `more`).
    """

    paper: str
    claim: str
    test: str  # what is measured, with its unit
    one: str
    other: str | float
    figure: Figure
    figure_of_other: Figure | None = None  # the same, if not said
    bound: float = 0.0
    more: bool = False
    gap: Callable[[Json, Json], float] | None = None  # of both runs, for a difference of figures

    @property
    def decimals(self) -> int:
        """One of points, three of what is no percentage."""
        return 1 if "points" in self.test else 3

    @property
    def limits(self) -> tuple[float, float]:
        """Between what the difference can lie: figures are shares or percent, or have no bound."""
        endless = "NLL" in self.test or "as a share" in self.test
        most = 100.0 if "points" in self.test else math.inf if endless else 1.0
        if isinstance(self.other, str):
            return -most, most
        return -self.other, most - self.other
