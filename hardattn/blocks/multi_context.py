"""The CRF attention of multi-context attention (Chu et al. 2017, arXiv:1702.07432)."""

import torch
from torch import Tensor, nn

from hardattn.maps import AttentionMap


def mean_field(score: Tensor, spread: nn.Module, steps: int) -> Tensor:
    """(B, 1, H, W) scores -> a gate: a <- sigmoid(score + spread(a)), from the score itself."""
    gate = score
    for _ in range(steps):
        gate = torch.sigmoid(score + spread(gate))
    return gate


class MultiContext(nn.Module):
    """y = x * a_3, a_1 = sigmoid(s + k * s), a_i = sigmoid(s + k * a_(i-1)), s = conv_3x3(x).

    A mean-field inference whose steps share one kernel k, 3x3 with a bias: neighbours that agree
    make each other sure, so the map hangs together. (B, C, H, W) -> same. Map: a_3, (B, 1, H, W).

    Departures: the paper has such maps on features of several resolutions of an hourglass, and for
    each body part; here is one, on one. Its released recipe has a kernel of 11 for maps of 64. The
    paper's text was not at hand; this follows the released code.

    Args:
        kernel: Side of the convolution in pixels.
        steps: Iterations of the inner loop.
    """

    placement = "branch"

    def __init__(self, channels: int, *, kernel: int = 3, steps: int = 3):
        super().__init__()
        if kernel % 2 == 0:
            raise ValueError(f"a kernel around a place needs an odd side, not {kernel}")
        self.steps = steps
        self.score = nn.Conv2d(channels, 1, 3, padding=1)
        self.spread = nn.Conv2d(1, 1, kernel, padding=kernel // 2)
        self.map = AttentionMap("spatial gate")

    def infer(self, score: Tensor) -> Tensor:
        """(B, 1, H, W) scores -> the gate."""
        return mean_field(score, self.spread, self.steps)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.map(self.infer(self.score(x)))
