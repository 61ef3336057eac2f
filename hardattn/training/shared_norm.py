"""Batch normalisation by a batch that lies in several processes, on any device."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm


class _Sum(torch.autograd.Function):
    """The sum over all processes; so is its gradient."""

    @staticmethod
    def forward(context: Any, tensor: Tensor, ranks: Any) -> Tensor:
        """Sum the values."""
        context.ranks = ranks
        whole = tensor.clone()
        ranks.sum(whole)
        return whole

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Sum the gradients."""
        whole = gradients[0].clone()
        context.ranks.sum(whole)
        return whole, None


def normalise(layer: _BatchNorm, x: Tensor, ranks: Any) -> Tensor:
    """What the layer makes of x, (B, C, ...), by the mean and variance of x in all processes.

    ranks: `distributed.Ranks`, each of which has as many rows. In evaluation nothing is shared.
    """
    if not layer.training:
        return type(layer).forward(layer, x)
    others = [axis for axis in range(x.ndim) if axis != 1]
    shape = [-1 if axis == 1 else 1 for axis in range(x.ndim)]
    count = ranks.size * x.numel() // x.shape[1]
    mean = _Sum.apply(x.sum(others), ranks) / count
    centred = x - mean.view(shape)
    variance = _Sum.apply(centred.pow(2).sum(others), ranks) / count
    if layer.track_running_stats:
        assert layer.running_mean is not None and layer.running_var is not None
        assert layer.num_batches_tracked is not None
        layer.num_batches_tracked += 1
        momentum = layer.momentum
        share = 1 / float(layer.num_batches_tracked) if momentum is None else momentum
        with torch.no_grad():
            layer.running_mean.lerp_(mean.detach(), share)
            layer.running_var.lerp_(variance.detach() * count / (count - 1), share)
    scaled = centred * (variance + layer.eps).rsqrt().view(shape)
    if layer.affine:
        scaled = scaled * layer.weight.view(shape) + layer.bias.view(shape)
    return scaled
