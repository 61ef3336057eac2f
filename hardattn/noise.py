"""Noise of layers whose attention is a random variable: where it comes from, and whether it comes.

A layer draws in training. In evaluation it goes by its mean, which is deterministic, unless the
rollout samples: then it draws there, too, and several passes are draws of the posterior prediction.
A rollout says so for all layers inside, and hands them its generator.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class _Source:
    """What the rollout that runs at this moment, in this process, said."""

    generator: torch.Generator | None = None  # None: torch's global one
    sampled = False


@contextmanager
def noise_from(generator: torch.Generator | None, sampled: bool = False) -> Iterator[None]:
    """Layers inside draw from this generator; sampled: in evaluation, too."""
    before = _Source.generator, _Source.sampled
    _Source.generator, _Source.sampled = generator, sampled
    try:
        yield
    finally:
        _Source.generator, _Source.sampled = before


def drawing(layer: nn.Module) -> bool:
    """Whether this layer is to draw now, rather than go by its mean."""
    return layer.training or _Source.sampled


def uniform(like: Tensor) -> Tensor:
    """Independent noise of that shape, dtype and device, uniform on [0, 1)."""
    return like.new_empty(like.shape).uniform_(generator=_Source.generator)


def normal(like: Tensor) -> Tensor:
    """Independent standard normal noise of that shape, dtype and device."""
    return like.new_empty(like.shape).normal_(generator=_Source.generator)


def dropout(x: Tensor, rate: float, layer: nn.Module) -> Tensor:
    """Zeros with probability `rate` and scales the rest by 1 / (1 - rate), where `layer` draws.

    Monte Carlo dropout (Gal & Ghahramani 2016, arXiv:1506.02142): unlike torch's it is there in a
    sampled evaluation, and its noise comes from the rollout's generator.
    """
    if not drawing(layer) or rate == 0:
        return x
    return x * (uniform(x) >= rate) / (1 - rate)
