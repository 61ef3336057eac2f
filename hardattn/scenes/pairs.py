"""What two classes come to: which pair they are, or which sum, and how that is called."""

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import combinations_with_replacement
from typing import NamedTuple

import torch
from torch import Tensor

NUMBER = re.compile(r"[+-]?[0-9]+([.][0-9]+)?")


def of_pair(classes: Sequence[str], answer: str = "pair") -> tuple[str, ...]:
    """What can be answered about two images: two classes, or their sum, the smallest first.

    answer: a row of PAIRS. Raises ValueError for a sum of classes that are no numbers.
    """
    return _kind(answer).names(tuple(classes))


def which(one: Tensor, other: Tensor, names: tuple[str, ...], answer: str) -> Tensor:
    """(B,) classes of two images, the names of all classes -> (B,) which of `of_pair` they are."""
    return _kind(answer).number(one, other, names)


def _pairs(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{one} {other}" for one, other in combinations_with_replacement(names, 2))


def _totals(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(format(total.normalize(), "f") for total in _sums(names)[0])


def _which_pair(one: Tensor, other: Tensor, names: tuple[str, ...]) -> Tensor:
    classes = len(names)
    low, high = torch.minimum(one, other), torch.maximum(one, other)
    return low * classes - low * (low - 1) // 2 + high - low


def _which_sum(one: Tensor, other: Tensor, names: tuple[str, ...]) -> Tensor:
    return _table_of_sums(names, one.device)[one, other]


class PairKind(NamedTuple):
    """What is asked of two images."""

    names: Callable[[tuple[str, ...]], tuple[str, ...]]  # of classes -> of all answers
    number: Callable[[Tensor, Tensor, tuple[str, ...]], Tensor]  # see `which`


PAIRS = {"pair": PairKind(_pairs, _which_pair), "sum": PairKind(_totals, _which_sum)}


def _kind(answer: str) -> PairKind:
    if answer not in PAIRS:
        raise ValueError(f"no answer {answer!r} about a pair: choose one of {', '.join(PAIRS)}")
    return PAIRS[answer]


def _sums(names: tuple[str, ...]) -> tuple[list[Decimal], list[list[int]]]:
    """All that two classes come to, the smallest first; and which of these any two come to."""
    for name in names:
        if not NUMBER.fullmatch(name):
            raise ValueError(
                f"only numbers have a sum, and the class {name!r} is none: ask for the pair"
            )
    numbers = [Decimal(name) for name in names]
    totals = sorted({one + other for one in numbers for other in numbers})
    number = {total: number for number, total in enumerate(totals)}
    return totals, [[number[one + other] for other in numbers] for one in numbers]


@lru_cache(maxsize=16)
def _table_of_sums(names: tuple[str, ...], device: torch.device) -> Tensor:
    """(K, K) int64, kept on the device where it is read."""
    return torch.tensor(_sums(names)[1], device=device)
