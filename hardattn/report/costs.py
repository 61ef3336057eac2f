"""What runs cost, as far as that can be said: times by a clock that others do not lengthen."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from operator import truediv
from typing import Any

from hardattn.report.runs import Group, Run
from hardattn.statistics.intervals import Estimate, quartiles


def times_of(groups: Sequence[Group]) -> dict[str, tuple[Estimate, Estimate]]:
    """Latency in ms and throughput by architecture: of each those of the first run that has them.

    Seeds of one architecture, and whatever else it learned by, do not differ in what they cost.
    """
    found: dict[str, tuple[Estimate, Estimate]] = {}
    for run in (run for group in groups for run in group.runs):
        cost = timed(run.result.cost)
        name = architecture(run)
        if name and "latency" in cost and name not in found:
            latency, throughput = cost["latency"], cost["throughput"]
            found[name] = (
                _passes(latency, lambda seconds: 1e3 * seconds),
                _passes(throughput, partial(truediv, throughput["batch"])),
            )
    return found


def timed(cost: dict[str, Any]) -> dict[str, Any]:
    """The cost of a result without times that other programs lengthened.

    Results of before `clock` was noted have them: by the wall, measured anew of every seed.
    """
    if "clock" in (cost.get("latency") or {}):
        return cost
    return {key: value for key, value in cost.items() if key not in ("latency", "throughput")}


def _passes(times: dict[str, Any], unit: Callable[[float], float]) -> Estimate:
    low, high = sorted(map(unit, times["quartiles"]))
    return Estimate(unit(times["seconds"]), low, high, times["passes"], "quartiles", "pass")


def architecture(run: Run) -> str:
    """What runs have in common that cost the same; "" of results that do not say."""
    return str(run.result.cost.get("architecture", ""))


def over_trainings(group: Group, measure: Callable[[float, float], float]) -> Estimate | None:
    """Of the seconds that a training took, and its images; over seeds.

    Those that the processor worked for it, and on a GPU those that passed; None where a result has
    but the latter, which others lengthened.
    """
    values = []
    for run in group.runs:
        training = run.result.training
        made = training.get("made_with") or run.result.made_with
        key = "cpu_seconds" if made.get("device", "cpu") == "cpu" else "seconds"
        seconds: Any = training.get(key)
        images: Any = training.get("images")
        if not (_positive(seconds) and _positive(images)):
            return None
        values.append(measure(seconds, images))
    return quartiles(values)


def _positive(number: Any) -> bool:
    return isinstance(number, int | float) and math.isfinite(number) and number > 0


def peak(run: Run) -> float | None:
    """MiB of memory for one image, where it was measured."""
    memory = run.result.cost.get("memory") or {}
    return memory["one"] / 2**20 if "one" in memory else None
