"""Channel attention: formulas for the weights, and what theory says exactly."""

from collections.abc import Callable

import torch
from torch.nn import functional as F

from hardattn.blocks import BLOCKS
from hardattn.maps import recorded

# How many weights the equations give for C channels.
WEIGHTS: dict[str, Callable[[int], int]] = {
    "se": lambda c: 2 * c * (c // 16) + c // 16 + c,
    "cbam_channel": lambda c: 2 * c * (c // 16) + c // 16 + c,
    "cbam_spatial": lambda c: 2 * 7 * 7 + 2,
    "cbam": lambda c: 2 * c * (c // 16) + c // 16 + c + 2 * 7 * 7 + 2,
}


def test_se_is_its_equation():
    torch.manual_seed(0)
    x, block = torch.randn(2, 16, 5, 4), BLOCKS["se"](16, reduction=4)
    with recorded() as maps:
        y = block(x)
    mean = x.sum((2, 3)) / 20
    middle = F.relu(mean @ block.squeeze.weight.T + block.squeeze.bias)
    gate = 1 / (1 + torch.exp(-(middle @ block.excite.weight.T + block.excite.bias)))
    torch.testing.assert_close(maps[0].tensor, gate)
    for i in range(2):
        for c in range(16):
            torch.testing.assert_close(y[i, c], x[i, c] * gate[i, c])
