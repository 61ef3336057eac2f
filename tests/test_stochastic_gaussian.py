"""Gaussian maps, and clustering by them: formulas for the weights, and truths."""

from collections.abc import Callable

WEIGHTS: dict[str, Callable[..., int]] = {}
