"""Selective kernels: its equations, and what theory says exactly."""

from collections.abc import Callable
from math import gcd, sqrt

import pytest
import torch
from torch.nn import functional as F

from hardattn.attention import BLOCKS
from tests.support.channel_blocks import build, close, images, tensors_of

# How many weights the equations give for C channels.
WEIGHTS: dict[str, Callable[..., int]] = {
    "selective_kernel": lambda c: (
        2 * (9 * c * (c // gcd(c, min(32, c // 4))) + 2 * c) + 32 * c + 2 * 32 + 64 * c
    ),
}


def test_selective_kernels_are_their_equation():
    x, block = images(2, 16, 6, 5), build("selective_kernel", 16)
    (weights,) = tensors_of(block, x)
    seen = [branch(x) for branch in block.branches]
    assert all(each.shape == x.shape for each in seen), "each branch has all the channels"
    linear, norm, _ = block.fuse
    mean = (seen[0] + seen[1]).mean((2, 3))
    middle = F.relu(mean @ linear.weight.T / sqrt(1 + norm.eps) * norm.weight + norm.bias)
    logits = middle @ block.select.weight.T
    for c in range(16):
        one, other = torch.exp(logits[:, c]), torch.exp(logits[:, 16 + c])
        close(weights[:, 0, c], one / (one + other))
        close(weights[:, 1, c], other / (one + other))
        share = weights[:, :, c, None, None]
        close(block(x)[:, c], share[:, 0] * seen[0][:, c] + share[:, 1] * seen[1][:, c])


@pytest.mark.parametrize("channels", [4, 16, 32, 36, 48, 128, 256])
def test_a_group_of_selective_kernels_has_four_channels_or_more(channels: int):
    for branch in BLOCKS["selective_kernel"].make(channels).branches:
        assert branch[0].weight.shape[1] >= 4
    assert BLOCKS["selective_kernel"].make(256).branches[0][0].groups == 32, "the paper's"


@pytest.mark.parametrize("branch, reach", [(0, 1), (1, 2), (2, 3)])
def test_each_branch_of_selective_kernels_sees_farther(branch: int, reach: int):
    x = images(1, 16, 9, 9).requires_grad_()
    block = build("selective_kernel", 16, branches=3, groups=1)
    (felt,) = torch.autograd.grad(block.branches[branch][0](x)[0, 0, 4, 4], x)
    rows = felt.abs().sum((0, 1, 3)).nonzero()[:, 0]
    assert rows.tolist() == [4 - reach, 4, 4 + reach]
    assert (felt.abs().sum((0, 2, 3)) > 0).all(), "from all the channels"
