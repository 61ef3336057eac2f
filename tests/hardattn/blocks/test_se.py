"""Squeeze-and-excitation: its equations, and what theory says exactly."""

from collections.abc import Callable

import torch
from torch.nn import functional as F

from hardattn.attention import BLOCKS
from hardattn.maps import recorded
from tests.support.channel_blocks import gate

# How many weights the equations give for C channels.
WEIGHTS: dict[str, Callable[..., int]] = {
    "se": lambda c: gate(c, max(8, c // 16)),
}


def test_se_is_its_equation():
    torch.manual_seed(0)
    x, block = torch.randn(2, 32, 5, 4), BLOCKS["se"].make(32, reduction=4)
    with recorded(block) as maps:
        y = block(x)
    mean = x.sum((2, 3)) / 20
    middle = F.relu(mean @ block.squeeze.weight.T + block.squeeze.bias)
    gate = 1 / (1 + torch.exp(-(middle @ block.excite.weight.T + block.excite.bias)))
    torch.testing.assert_close(maps[0].tensor, gate)
    for i in range(2):
        for c in range(32):
            torch.testing.assert_close(y[i, c], x[i, c] * gate[i, c])
