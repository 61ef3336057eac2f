"""Reverse attention: its equations, and what theory says exactly."""

from collections.abc import Callable

import torch

from tests.support.blocks import features, made, map_of

WEIGHTS: dict[str, Callable[..., int]] = {
    "reverse": lambda c: 2 * (c * c + c),
}


def test_reverse_attention_is_its_equation():
    x, block = features(2, 4, 3, 5), made("reverse", 4)
    direct = torch.einsum("oc,bchw->bohw", block.direct.weight[..., 0, 0], x)
    direct = direct + block.direct.bias[:, None, None]
    against = torch.einsum("oc,bchw->bohw", block.reverse.weight[..., 0, 0], x)
    against = against + block.reverse.bias[:, None, None]
    torch.testing.assert_close(block(x), direct - against / (1 + torch.exp(direct)))


def test_reverse_attention_looks_where_the_direct_branch_does_not():
    block = made("reverse", 1)
    with torch.no_grad():
        block.direct.weight.fill_(1), block.direct.bias.zero_()
    x = torch.tensor([-30.0, 0.0, 30.0], dtype=torch.float64).view(1, 1, 1, 3)
    torch.testing.assert_close(map_of(block, x)[0, 0, 0], torch.tensor([1, 0.5, 0]).double())
    torch.testing.assert_close(block(x)[..., 2], x[..., 2])
