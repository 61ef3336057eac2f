"""Reverse attention (Huang et al. 2017, arXiv:1707.06426), with its three branches."""

import torch
from torch import Tensor, nn

from hardattn.decoders.decoder import Join, each_place
from hardattn.maps import AttentionMap


class Reverse(nn.Module):
    """F says what a place is, R what it is not; where F is unsure, R counts: F - sigmoid(-F) R.

    F and R are a 3x3 and a 1x1 convolution each of the same features. All three are supervised: F
    and the answer by the true classes, and R by the same through its negative, -R. Map:
    sigmoid(-F), (B, K, H, W), the larger the less F responds.

    Departures: of the paper's two forms of the map this is the simple one, without its
    amplification of weak responses. The paper's text was not at hand.
    """

    def __init__(self, deep: int, fine: int, maps: int):
        super().__init__()
        self.join = Join(deep, fine, deep)
        self.direct, self.reverse = (
            nn.Sequential(
                nn.Conv2d(deep, deep, 3, padding=1, bias=False),
                nn.BatchNorm2d(deep),
                nn.ReLU(),
                nn.Conv2d(deep, maps, 1),
            )
            for _ in range(2)
        )
        self.map = AttentionMap("full gate")

    def forward(self, deep: Tensor, fine: Tensor) -> tuple[Tensor, ...]:
        x = self.join(deep, fine)
        direct, reverse = self.direct(x), self.reverse(x)
        gate = self.map(torch.sigmoid(-direct))
        return direct - gate * reverse, direct, reverse

    def instructed(self, answers: tuple[Tensor, ...], truth: Tensor) -> Tensor:
        """The cross-entropies of what a place is, and of what it is not."""
        _, direct, reverse = answers
        return each_place(direct, truth) + each_place(-reverse, truth)
