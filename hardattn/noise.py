"""Noise of layers whose attention is a random variable: where it comes from, and whether it comes.

A layer draws in training. In evaluation it goes by its mean, which is deterministic, unless the
rollout samples: then it draws there, too, and several passes are draws of the posterior prediction.
A rollout says so for all layers inside, and hands them its generator. What is said holds in the
thread in which it was said, so that two agents can run beside each other and neither hears what the
other was told.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Scope(NamedTuple):
    """What the code around the layers that run at this moment has said."""

    generator: torch.Generator | None = None  # of all noise; None: torch's global one
    sampled: bool = False  # whether layers draw in evaluation, too
    charges: list[Tensor] | None = None  # where `maps.charge` puts costs; None: nobody collects
    listeners: tuple[object, ...] = ()  # what `maps` has opened here: nobody else's hooks answer
    episode: Any = None  # the rollout that runs, as `episode` has it; None: a look by itself


NOTHING_SAID = Scope()
_SCOPE = ContextVar("_SCOPE", default=NOTHING_SAID)


def scope() -> Scope:
    """What holds at this moment, in this thread."""
    return _SCOPE.get()


@contextmanager
def scoped(**changes: Any) -> Iterator[None]:
    """Inside, these fields of the `Scope` are changed, in this thread alone."""
    before = _SCOPE.set(_SCOPE.get()._replace(**changes))
    try:
        yield
    finally:
        _SCOPE.reset(before)


@contextmanager
def noise_from(generator: torch.Generator | None, sampled: bool = False) -> Iterator[None]:
    """Layers inside draw from this generator; sampled: in evaluation, too."""
    with scoped(generator=generator, sampled=sampled):
        yield


def drawing(layer: nn.Module) -> bool:
    """Whether this layer is to draw now, rather than go by its mean."""
    return layer.training or scope().sampled


def uniform(like: Tensor) -> Tensor:
    """Independent noise of that shape, dtype and device, uniform on [0, 1)."""
    return like.new_empty(like.shape).uniform_(generator=scope().generator)


def normal(like: Tensor) -> Tensor:
    """Independent standard normal noise of that shape, dtype and device."""
    return like.new_empty(like.shape).normal_(generator=scope().generator)


def dropout(x: Tensor, rate: float, layer: nn.Module) -> Tensor:
    """Zeros with probability `rate` and scales the rest by 1 / (1 - rate), where `layer` draws.

    Monte Carlo dropout (Gal & Ghahramani 2016, arXiv:1506.02142): unlike torch's it is there in a
    sampled evaluation, and its noise comes from the rollout's generator.
    """
    if not drawing(layer) or rate == 0:
        return x
    return x * (uniform(x) >= rate) / (1 - rate)
