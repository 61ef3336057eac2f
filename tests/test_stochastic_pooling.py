"""uncertainty-aware attention and learned hard regions: formulas for the weights, and truths."""

from collections.abc import Callable

WEIGHTS: dict[str, Callable[..., int]] = {}
