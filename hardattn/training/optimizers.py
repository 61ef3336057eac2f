"""How a gradient becomes a step, and how the learning rate falls."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from hardattn.training.sam import SAM


def _adam(weights: list[nn.Parameter], lr: float, momentum: float, decay: float) -> Any:
    return torch.optim.Adam(weights, lr, betas=(momentum, 0.999), weight_decay=decay, fused=True)


def _adamw(weights: list[nn.Parameter], lr: float, momentum: float, decay: float) -> Any:
    return torch.optim.AdamW(weights, lr, betas=(momentum, 0.999), weight_decay=decay, fused=True)


def _sam(
    weights: list[nn.Parameter], lr: float, momentum: float, decay: float, rho: float = 0.05
) -> Any:
    return SAM(weights, lr, rho, betas=(momentum, 0.999), weight_decay=decay, fused=True)


def _sgd(weights: list[nn.Parameter], lr: float, momentum: float, decay: float) -> Any:
    descent = torch.optim.SGD(weights, lr, momentum=momentum, weight_decay=decay, fused=True)
    # A fused step makes the buffers of all weights at once, or of none: but under a curriculum of
    # looks some weights have their first gradient later.
    for weight in weights:
        descent.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
    return descent


OPTIMIZERS: dict[str, Callable[..., Any]] = {
    "adam": _adam,
    "adamw": _adamw,
    "sgd": _sgd,
    "sam": _sam,
}


SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "linear": lambda done: 1.0 - done,
    "cosine": lambda done: 0.5 * (1.0 + math.cos(math.pi * done)),
}
