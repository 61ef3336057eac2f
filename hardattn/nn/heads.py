"""What is read off an agent's state and nothing waits for: for all looks at once, after the last.

Where to look next has to be known before the next look. What the answer is, and what return is
expected, has not: in a rollout one product for all looks does the work of as many small ones.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.noise import scope

Head = Callable[[Tensor], Tensor]


class Later(NamedTuple):
    """A head that was not applied yet, and what to: no tensor until the looks are over."""

    head: Head
    features: Tensor  # (B, D)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"an output of `later` has no {name!r} before the looks are over: "
            "call the head itself where its output is used at once"
        )


def later(head: Head, features: Tensor) -> Tensor:
    """head(features), or in a rollout the promise of it.

    head: row by row, and without noise. features: (B, D). Apart from a rollout it is applied now.
    """
    return Later(head, features) if scope().episode else head(features)  # type: ignore[return-value]


def at_once(outputs: Sequence[Tensor | Later]) -> Tensor | list[Tensor]:
    """What was promised: (T, B, ...) where looks are of equally many rows, else one after another.

    Tensors are handed on as they are.
    """
    first = outputs[0]
    if not isinstance(first, Later) or any(
        not isinstance(each, Later) or each.head is not first.head for each in outputs
    ):
        return [each.head(each.features) if isinstance(each, Later) else each for each in outputs]
    features = [each.features for each in outputs if isinstance(each, Later)]
    if len({len(each) for each in features}) == 1:
        return first.head(torch.stack(features))
    return list(first.head(torch.cat(features)).split([len(each) for each in features]))


class Scalar(nn.Linear):
    """A linear head of one number: (..., D) -> (...)."""

    def __init__(self, features: int):
        super().__init__(features, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)[..., 0]


class PairHead(nn.Module):
    """Log-probabilities of all pairs of K classes, off two softmaxes of one class each.

    p(a and b) = p1(a) p2(b) + p1(b) p2(a), or p1(a) p2(a) where both are the same: which of the two
    saw which is summed out. So what is learned of a class in one pair holds in all others; a linear
    layer learns each pair for itself. (..., D) -> (..., K (K + 1) / 2), the smallest first, in the
    order of `itertools.combinations_with_replacement`.
    """

    first: Tensor
    second: Tensor

    def __init__(self, features: int, classes: int):
        super().__init__()
        self.each = nn.Linear(features, 2 * classes)
        first, second = torch.triu_indices(classes, classes)
        self.register_buffer("first", first, persistent=False)
        self.register_buffer("second", second, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        one, other = self.each(x).unflatten(-1, (2, -1)).log_softmax(-1).unbind(-2)
        straight = one[..., self.first] + other[..., self.second]
        crossed = one[..., self.second] + other[..., self.first]
        same = self.first == self.second
        return torch.where(same, straight, torch.logaddexp(straight, crossed))


def answering(features: int, answers: int, pairs_of: int | None = None) -> nn.Module:
    """A linear layer for that many answers; or a `PairHead`, if they are pairs of so many classes.

    Raises ValueError if they are not as many.
    """
    if pairs_of is None:
        return nn.Linear(features, answers)
    if (pairs := pairs_of * (pairs_of + 1) // 2) != answers:
        raise ValueError(
            f"of {pairs_of} classes there are {pairs} pairs, and {answers} answers: "
            "give pairs_of=None, or scenes of pairs"
        )
    return PairHead(features, pairs_of)
