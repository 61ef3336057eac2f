"""What a search may change of a recipe, and from where to where."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..kinds import Value

DIGITS = 3  # that a number which was drawn keeps, so that it can be typed


class Range(NamedTuple):
    """One thing that is searched: an option of the recipe, by the name of its flag."""

    flag: str
    low: float = 0.0
    high: float = 0.0
    """Drawn uniformly in its logarithm."""
    among: tuple[Value, ...] = ()
    """Or one of these values instead."""

    def draw(self, trial: Any) -> Value:
        """A value, asked of an Optuna trial. Of numbers few digits."""
        if self.among:
            chosen: Value = trial.suggest_categorical(self.flag, list(self.among))
            return chosen
        return rounded(trial.suggest_float(self.flag, self.low, self.high, log=True))

    def told(self) -> str:
        """In words."""
        if self.among:
            return f"{self.flag} among {', '.join(map(str, self.among))}"
        return f"{self.flag} from {self.low:g} to {self.high:g}"


Space = tuple[Range, ...]


def rounded(value: float) -> float:
    """The same to DIGITS digits."""
    return float(f"{value:.{DIGITS}g}")


def told(space: Sequence[Range]) -> str:
    """A whole space in words."""
    return "; ".join(each.told() for each in space)
