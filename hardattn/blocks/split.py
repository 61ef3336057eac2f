"""Split attention, of ResNeSt (Zhang et al. 2020, arXiv:2004.08955)."""

import torch
from torch import Tensor, nn

from hardattn.maps import AttentionMap


class SplitAttention(nn.Module):
    """y_c = sum_r a_rc U_rc, with softmax over the R splits; a sigmoid gate where R is 1.

    Split r sees its C / R channels through a 3x3 convolution to C, a norm and a rectifier, U_r;
    a = softmax_r(W2 relu(norm(W1 mean_hw(sum_r U_r)))), with max(C R / 4, 32) units between.

    (B, C, H, W) -> same; it takes the place of a convolution, so there is no shortcut. Map: a,
    (B, R, C), which sums to one over R where R > 1. radix: R, which must divide C. The
    cardinality is 1, as in the authors' main networks.

    Args:
        radix: Into how many splits channels are put.
        reduction: Channels to a unit of the middle layer.
    """

    placement = "replacement"

    def __init__(self, channels: int, *, radix: int = 2, reduction: int = 4):
        super().__init__()
        if channels % radix:
            raise ValueError(f"radix {radix} does not divide {channels} channels")
        self.radix = radix
        middle = max(channels * radix // reduction, 32)
        self.splits = nn.Sequential(
            nn.Conv2d(channels, channels * radix, 3, padding=1, groups=radix, bias=False),
            nn.BatchNorm2d(channels * radix),
            nn.ReLU(),
        )
        self.squeeze = nn.Sequential(
            nn.Linear(channels, middle, bias=False), nn.BatchNorm1d(middle), nn.ReLU()
        )
        self.excite = nn.Linear(middle, channels * radix)
        self.map = AttentionMap("branch", over=() if radix == 1 else (-2,))

    def forward(self, x: Tensor) -> Tensor:
        seen = self.splits(x).unflatten(1, (self.radix, -1))
        logits = self.excite(self.squeeze(seen.sum(1).mean((2, 3))))
        logits = logits.unflatten(1, (self.radix, -1))
        weights = torch.sigmoid(logits) if self.radix == 1 else logits.softmax(1)
        return torch.einsum("brc,brchw->bchw", self.map(weights), seen)
