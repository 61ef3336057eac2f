"""Diversified attention: its equations, and what theory says exactly."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from hardattn.blocks.dvan import overlap
from hardattn.maps import Map, charged, replaced
from tests.support.pooling_blocks import build, features, s3ta

# How many weights the equations give for C channels and K classes.
WEIGHTS: dict[str, Callable[..., int]] = {
    "dvan": s3ta,
}


def one_hot(*places: int) -> list[Tensor]:
    return [F.one_hot(torch.tensor([[place]]), 12).double() for place in places]


def test_overlap() -> None:
    assert overlap(one_hot(0, 3, 7)).item() == 0
    assert overlap(one_hot(4, 4, 4)).item() == 1
    assert overlap(one_hot(4, 4, 5)).item() == pytest.approx(1 / 3)
    alike = [torch.full((1, 1, 12), 1 / 12)] * 3
    assert overlap(alike).item() == pytest.approx(1 / 12)
    looks = [torch.rand(2, 1, 12).softmax(2) for _ in range(4)]
    pairs = [(looks[i] * looks[j]).sum((1, 2)) for i in range(4) for j in range(i)]
    torch.testing.assert_close(overlap(looks), sum(pairs) / 6)


def test_dvan_pays_for_the_same_place_and_for_nothing_else() -> None:
    x, head = features(), build("dvan", price=0.5)

    def in_turn(*places: int) -> Callable[[Map], Tensor]:
        looks = iter(one_hot(*places))
        return lambda one: next(looks).expand_as(one.tensor)

    for places, price in [((0, 1, 2, 3), 0.0), ((5, 5, 5, 5), 0.5), ((5, 5, 6, 6), 1 / 6)]:
        with replaced(head, in_turn(*places)), charged() as costs:
            head(x)
        torch.testing.assert_close(costs[0], torch.full((2,), price).double())
    twin = build("sequential")
    twin.load_state_dict(head.state_dict())
    assert torch.equal(twin(x), head(x))
    with pytest.raises(ValueError, match="two or more"):
        build("dvan", looks=1)
