"""Selective kernel convolution (Li, Wang, Hu, Yang 2019, arXiv:1903.06586)."""

from math import gcd

import torch
from torch import Tensor, nn

from hardattn.maps import AttentionMap


class SelectiveKernel(nn.Module):
    """y_c = sum_m a_mc U_mc, with softmax over the M branches: each channel picks its kernel.

    U_m = relu(norm(conv(x))), 3x3, dilated by 1, 2, ..., from all C channels to all C;
    a = softmax_m(A_m relu(norm(W mean_hw(sum_m U_m)))), with W to max(C / r, 32).

    (B, C, H, W) -> same; it takes the place of a convolution, so there is no shortcut. Map: a,
    (B, M, C), which sums to one over M. groups: of the convolutions; the greatest common divisor of
    C and these, or C / 4 where that is less, so that a group has at least four channels, as in the
    paper's networks: with one channel in each the convolutions would mix nothing.

    Args:
        branches: Kernels to choose from.
        groups: Groups of the convolutions.
        reduction: Channels to a unit of the middle layer.
    """

    placement = "replacement"

    def __init__(self, channels: int, *, branches: int = 2, groups: int = 32, reduction: int = 16):
        super().__init__()
        middle = max(channels // reduction, 32)
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(
                    channels,
                    channels,
                    3,
                    padding=dilation,
                    dilation=dilation,
                    groups=gcd(channels, min(groups, max(1, channels // 4))),
                    bias=False,
                ),
                nn.BatchNorm2d(channels),
                nn.ReLU(),
            )
            for dilation in range(1, branches + 1)
        )
        self.fuse = nn.Sequential(
            nn.Linear(channels, middle, bias=False), nn.BatchNorm1d(middle), nn.ReLU()
        )
        self.select = nn.Linear(middle, branches * channels, bias=False)
        self.map = AttentionMap("branch", over=(-2,))

    def forward(self, x: Tensor) -> Tensor:
        seen = torch.stack([branch(x) for branch in self.branches], 1)
        logits = self.select(self.fuse(seen.sum(1).mean((2, 3))))
        weights = logits.unflatten(1, (len(self.branches), -1)).softmax(1)
        weights = self.map(weights)
        return torch.einsum("bmc,bmchw->bchw", weights, seen)
