"""Hamburger (Geng et al. 2021, arXiv:2109.04553), with non-negative matrix factorisation."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.maps import AttentionMap
from hardattn.noise import uniform


def updated(x: Tensor, bases: Tensor, codes: Tensor) -> Tensor:
    """Codes after one multiplicative step (Lee and Seung 1999) towards x = bases @ codes.

    (B, C, N), (B, C, R), (B, R, N) -> (B, R, N). For a step of the bases transpose all.
    """
    return codes * (bases.mT @ x) / (bases.mT @ bases @ codes + 1e-6)


class Hamburger(nn.Module):
    """y = relu(x + BN(conv_1x1(D c))), D c near relu(conv_1x1(x)), of low rank, nowhere negative.

    (B, C, H, W) -> same. D (C, R) starts at random and the codes at softmax_r(D' x); `steps` times
    both are updated by the multiplicative rule, and then the codes once more. A gradient passes
    this last update alone. Map: the codes c, (B, R, H, W). In training D starts anew for each
    image; in evaluation it is always the same, a buffer. Convolutions are drawn from N(0, 2 / C),
    as in the authors' code, whose first version of the block this is.

    Departures: rank 8; the paper has 64 for 512 channels. It starts at random in evaluation, too,
    and does one step more there. The norm's running mean follows a tenth of each batch; in the
    released code, which trains from weights that were learned before, 3e-4.

    Args:
        rank: Of the factors.
        steps: Iterations of the inner loop.
    """

    placement = "scaled"

    start: Tensor

    def __init__(self, channels: int, *, rank: int = 8, steps: int = 6):
        super().__init__()
        self.steps = steps
        self.lower = nn.Conv2d(channels, channels, 1)
        self.upper = nn.Conv2d(channels, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        for conv in (self.lower, self.upper):
            nn.init.kaiming_normal_(conv.weight, mode="fan_out")
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("start", torch.rand(channels, rank, generator=generator))
        self.map = AttentionMap("codes")

    @torch.no_grad()
    def factors(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, N) -> bases (B, C, R) and codes (B, R, N)."""
        bases = self.start.expand(x.shape[0], -1, -1)
        if self.training:
            bases = uniform(bases)
        bases = F.normalize(bases, dim=1)
        codes = (bases.mT @ x).softmax(1)
        for _ in range(self.steps):
            codes = updated(x, bases, codes)
            bases = updated(x.mT, codes.mT, bases.mT).mT
        return bases, codes

    def forward(self, x: Tensor) -> Tensor:
        ham = F.relu(self.lower(x)).flatten(2)
        bases, codes = self.factors(ham)
        codes = updated(ham, bases, codes).unflatten(2, x.shape[2:])
        codes = self.map(codes)
        rebuilt = (bases @ codes.flatten(2)).unflatten(2, x.shape[2:])
        return F.relu(x + self.norm(self.upper(rebuilt)))
