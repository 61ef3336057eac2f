"""Pyramid feature attention: its equations, and what theory says exactly."""

from collections.abc import Callable

import torch
from torch import Tensor

from hardattn.maps import Map, replaced
from tests.support.blocks import features, made

WEIGHTS: dict[str, Callable[..., int]] = {
    "pyramid_feature": lambda c: (
        2 * c * max(8, c // 4) + max(8, c // 4) + c + 2 * (9 * c * (c // 2) + c + 9 * (c // 2) + 2)
    ),
}


def test_pyramid_feature_is_se_where_every_place_counts():
    x, block = features(2, 16, 5, 4), made("pyramid_feature", 16)
    other = made("se", 16, reduction=4)
    other.load_state_dict({n: w for n, w in block.state_dict().items() if n in other.state_dict()})

    def open_to_all_places(one: Map) -> Tensor:
        return torch.ones_like(one.tensor) if one.kind == "spatial gate" else one.tensor

    with replaced(block, open_to_all_places):
        torch.testing.assert_close(block(x), other(x))


def test_pyramid_feature_looks_along_a_row_and_a_column():
    block, x = made("pyramid_feature", 8), features(9, 8, 11, 11).requires_grad_()
    gate = block.across_down(x)[:, 0, 5, 5] + block.down_across(x)[:, 0, 5, 5]
    (reach,) = torch.autograd.grad(gate.sum(), x)
    reach = reach.abs().sum((0, 1)) > 0
    assert reach[1:10, 1:10].all()
    assert not reach[0].any() and not reach[:, 10].any()
