"""Layers that an episode applies at every look: what can be done once for all looks is done once.

An agent is a recurrent net. Autograd gives each use of a layer its own gradient of the weights, a
product of few rows, and adds them up; in a rollout all uses become one product of many rows. The
bias of each use is a row of its own, which carries the gradient of what came of that use back to
the one node that all rows are from. Apart from a rollout nothing is shared.

The node knows nothing of second derivatives: a gradient of a gradient does not reach the weights.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from hardattn.noise import scope, scoped

# Of a use with fewer rows than this the products are put together; more rows take longer to copy
# than their products to add up.
FEW = 256
Part = tuple[Tensor, Tensor, Tensor]  # x (B, I), weight (O, I), bias (O,)


class Episode:
    """What was made so far for the looks of one rollout."""

    def __init__(self, looks: int):
        self.looks = looks
        self.uses: dict[tuple[int, ...], _Uses] = {}

    def bias(self, parts: tuple[Part, ...]) -> Tensor:
        """(B, O): the bias of this use of these layers."""
        key = (len(parts[0][0]), *(id(weight) for _, weight, _ in parts))
        if key not in self.uses or not self.uses[key].left:
            self.uses[key] = _Uses(self.looks, parts)
        return self.uses[key].another(parts)


@contextmanager
def episode(looks: int, **changes: Any) -> Iterator[None]:
    """Inside is one rollout of so many looks; changes: see `noise.Scope`."""
    with scoped(episode=Episode(looks), **changes):
        yield


def linear(*parts: tuple[Tensor, nn.Linear]) -> Tensor:
    """W_1 x_1 + b_1 + W_2 x_2 + b_2 + ... of (B, I) inputs and their layers: (B, O)."""
    return affine(*((x, layer.weight, layer.bias) for x, layer in parts))


def affine(*parts: Part) -> Tensor:
    """`linear`, of weights and biases."""
    inside: Episode | None = scope().episode
    shared = inside is not None and torch.is_grad_enabled() and parts[0][1].requires_grad
    if inside is not None and shared:
        total = inside.bias(parts)
    else:
        total = _sum([bias for *_, bias in parts])
    (x, weight, _), *rest = parts
    total = torch.addmm(total, x, (weight.detach() if shared else weight).t())
    for x, weight, _ in rest:
        total = torch.addmm(total, x, (weight.detach() if shared else weight).t())
    return total


class _Uses:
    """Uses of layers that are added up, as many as there are looks."""

    def __init__(self, looks: int, parts: tuple[Part, ...]):
        self.weights = [weight for _, weight, _ in parts]  # held, or others could take their ids
        self.inputs: list[list[Tensor]] = []
        size, biases = (looks, len(parts[0][0])), [bias for *_, bias in parts]
        rows = _Once.apply(self.inputs, size, *self.weights, *biases)
        self.left = list(rows[::-1])

    def another(self, parts: tuple[Part, ...]) -> Tensor:
        """The bias of one more use."""
        self.inputs.append([x.detach() for x, *_ in parts])
        return self.left.pop()


class _Once(torch.autograd.Function):
    """A bias for each use, (B, O); backward, the weights' gradient of all uses."""

    @staticmethod
    def forward(
        ctx: Any, inputs: list[list[Tensor]], size: tuple[int, int], *layers: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        ctx.inputs, ctx.kind = inputs, _lower(layers[0].device)
        bias = _sum(list(layers[len(layers) // 2 :]))
        return tuple(bias.expand(size[1], -1) for _ in range(size[0]))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:
        used = [number for number, one in enumerate(gradients) if one is not None]
        if not used:
            return (None,) * len(ctx.needs_input_grad)
        rows = [gradients[number] for number in used]
        inputs = list(zip(*(ctx.inputs[number] for number in used), strict=True))
        weights, bias = _products(rows, inputs, ctx.kind)  # type: ignore[arg-type]
        return None, None, *weights, *(bias for _ in weights)


def _products(
    gradients: list[Tensor], inputs: list[tuple[Tensor, ...]], lower: torch.dtype | None
) -> tuple[list[Tensor], Tensor]:
    """The sums over uses of g' x, for each input of a use, and of g.

    lower: in which precision products are, where they are autocast; their sums are of one product.
    """
    if lower is not None:
        whole = torch.cat(gradients)
        low = whole.to(lower).t()
        products = [low @ torch.cat(each).to(lower) for each in inputs]
        return [each.to(whole.dtype) for each in products], whole.sum(0)
    if len(gradients[0]) < FEW or len(gradients) == 1:
        whole = torch.cat(gradients)
        return [whole.t() @ torch.cat(each) for each in inputs], whole.sum(0)
    bias = gradients[0].sum(0)
    for gradient in gradients[1:]:
        bias += gradient.sum(0)
    weights = []
    for each in inputs:
        total = gradients[0].t() @ each[0]
        for gradient, x in zip(gradients[1:], each[1:], strict=True):
            total.addmm_(gradient.t(), x)
        weights.append(total)
    return weights, bias


def _lower(device: torch.device) -> torch.dtype | None:
    """In which precision products are at this moment; None: in that of their factors."""
    kind = device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None


def _sum(biases: list[Tensor]) -> Tensor:
    return biases[0] if len(biases) == 1 else torch.stack(biases).sum(0)
