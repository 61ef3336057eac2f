"""How a gradient becomes a step, and how the learning rate falls."""

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch import nn

from hardattn.estimators import Loss
from hardattn.training.fused import SGD, Adam, AdamW
from hardattn.training.sam import SAM


def _adam(weights: list[nn.Parameter], lr: float, momentum: float, decay: float) -> Any:
    return Adam(weights, lr, betas=(momentum, 0.999), weight_decay=decay, fused=True)


def _adamw(weights: list[nn.Parameter], lr: float, momentum: float, decay: float) -> Any:
    return AdamW(weights, lr, betas=(momentum, 0.999), weight_decay=decay, fused=True)


def _sam(
    weights: list[nn.Parameter], lr: float, momentum: float, decay: float, rho: float = 0.05
) -> Any:
    return SAM(weights, lr, rho, betas=(momentum, 0.999), weight_decay=decay, fused=True)


def _sgd(weights: list[nn.Parameter], lr: float, momentum: float, decay: float) -> Any:
    return SGD(weights, lr, momentum=momentum, weight_decay=decay, fused=True)


def backward(
    optimizer: Any,
    look: Callable[[], Loss],
    learners: Iterable[nn.Module],
    generator: torch.Generator,
) -> Loss:
    """Leave the gradient of a loss in the weights; return the loss."""
    loss = look()
    optimizer.zero_grad()
    loss.total.backward()
    return loss


class OptimizerKind(NamedTuple):
    """A row of OPTIMIZERS: how it is made, and how it comes by its gradient."""

    make: Callable[..., Any]
    """(weights, lr, momentum, weight decay) -> an optimizer of `fused`."""
    gradient: Callable[..., Loss] = backward
    """(optimizer, look, learners, generator) -> the loss; the gradient is left in the weights.

    One that looks more than once draws each time from `generator`, and finds in `learners` what
    is kept beside the weights."""
    tensors: bool = True
    """Whether all that it does is done to tensors, so that it can be captured."""


OPTIMIZERS: dict[str, OptimizerKind] = {
    "adam": OptimizerKind(_adam),
    "adamw": OptimizerKind(_adamw),
    "sgd": OptimizerKind(_sgd),
    "sam": OptimizerKind(_sam, SAM.gradient, tensors=False),
}

# What share of the highest learning rate is left when that share of the training is over.
SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "linear": lambda done: 1.0 - done,
    "cosine": lambda done: 0.5 * (1.0 + math.cos(math.pi * done)),
}
