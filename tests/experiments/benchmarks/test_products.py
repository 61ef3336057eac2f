"""Kernels are counted and products found, of the backward pass as well."""

import torch
from torch import nn

from hardattn.experiments.benchmarks.products import aten, made_of


def test_products_of_a_linear_layer_forward_and_backward() -> None:
    layer, x = nn.Linear(3, 5), torch.randn(7, 3, requires_grad=True)
    made = made_of(lambda: layer(x).sum().backward())
    shapes = [[tuple(each.shape) for each in given] for _, given, _ in made.products]
    assert [product for product, _, _ in made.products] == [
        aten.addmm.default,
        aten.mm.default,
        aten.mm.default,
    ]
    assert shapes[0] == [(5,), (7, 3), (3, 5)]
    assert sorted(shapes[1:]) == [[(5, 7), (7, 3)], [(7, 5), (5, 3)]]


def test_operands_lie_in_memory_as_they_did_and_one_stays_one() -> None:
    weight, x = torch.randn(4, 3), torch.randn(2, 3)
    made = made_of(lambda: (x @ weight.T, x @ weight.T))
    (_, first, _), (_, second, _) = made.products
    assert first[1].stride() == weight.T.stride()
    assert first[0] is second[0] and first[1] is second[1]
    assert first[0].data_ptr() != x.data_ptr()
    made.replay()


def test_convolutions_are_products_too() -> None:
    layer, x = nn.Conv2d(1, 2, 3), torch.randn(2, 1, 6, 6)
    made = made_of(lambda: layer(x).sum().backward())
    assert [product for product, _, _ in made.products] == [
        aten.convolution.default,
        aten.convolution_backward.default,
    ]
    made.replay()


def test_views_and_empty_rooms_are_no_kernels() -> None:
    x = torch.randn(4, 4)
    assert made_of(lambda: (x.view(16), x.T, x[0], x.detach(), torch.empty(3))).kernels == 0
    assert made_of(lambda: (x + 1).relu_().sum()).kernels == 3
