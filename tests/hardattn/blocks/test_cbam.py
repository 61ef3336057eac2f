"""The convolutional block attention module: its equations, and what theory says exactly."""

from collections.abc import Callable

import torch

from hardattn.attention import BLOCKS
from tests.support.channel_blocks import gate, images

# How many weights the equations give for C channels.
WEIGHTS: dict[str, Callable[..., int]] = {
    "cbam_channel": lambda c: gate(c, max(8, c // 16)),
    "cbam_spatial": lambda c: 2 * 7 * 7 + 2,
    "cbam": lambda c: gate(c, max(8, c // 16)) + 2 * 7 * 7 + 2,
}


def test_the_norm_of_a_spatial_gate_follows_a_hundredth_of_each_batch():
    cbam = BLOCKS["cbam"].make
    for block, share in ((cbam(16), 0.01), (cbam(16, momentum=0.1), 0.1)):
        before, x = block.spatial.norm.running_var.clone(), images(4, 16, 8, 8).float()
        seen = block.channel(x)
        seen = block.spatial.conv(torch.cat([seen.amax(1, True), seen.mean(1, True)], 1))
        block.train()(x)
        torch.testing.assert_close(
            block.spatial.norm.running_var, (1 - share) * before + share * seen.var()[None]
        )
