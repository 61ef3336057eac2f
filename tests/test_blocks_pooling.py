"""Pooling attention: formulas for the weights, and what theory says exactly."""

from collections.abc import Callable

WEIGHTS: dict[str, Callable[..., int]] = {}
