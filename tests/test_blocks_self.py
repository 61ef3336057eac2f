"""Self-attention: formulas for the weights, and what theory says exactly."""

from collections.abc import Callable

WEIGHTS: dict[str, Callable[..., int]] = {
    "sagan": lambda c: 2 * (c * (c // 8) + c // 8) + c * c + c + 1,
}
