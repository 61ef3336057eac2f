"""Gradient estimators: `estimator(agent, world, scenes, generator) -> Loss`.

The gradient of `Loss.total` estimates that of E[loss + cost - reward], plus a critic's own fit
where there is a critic. One function each, whole on one screen; a family a file.
"""

from collections.abc import Callable
from typing import Any

from hardattn.estimators.multi_sample import leave_one_out
from hardattn.estimators.relaxed import pathwise
from hardattn.estimators.score_function import (
    Loss,
    learned_baseline,
    reinforce,
    self_critical,
)

ESTIMATORS: dict[str, Callable[..., Any]] = {
    "reinforce": reinforce,
    "learned_baseline": learned_baseline,
    "self_critical": self_critical,
    "leave_one_out": leave_one_out,
    "pathwise": pathwise,
}

__all__ = [
    "ESTIMATORS",
    "Loss",
    "learned_baseline",
    "leave_one_out",
    "pathwise",
    "reinforce",
    "self_critical",
]
