"""Reverse attention (Huang et al. 2017, arXiv:1707.06426), for one image without masks."""

import torch
from torch import Tensor, nn

from hardattn.maps import AttentionMap


class Reverse(nn.Module):
    """y = F - sigmoid(-F) * R, with F and R linear in x: what speaks against, where F is unsure.

    (B, C, H, W) -> same. F and R are 1x1 convolutions. Map: sigmoid(-F), (B, C, H, W), the larger
    the less F responds.

    Departures: in the paper F and R are class scores of a segmentation, one trained on what a pixel
    is and one on what it is not; here channels stand for classes and only y is trained. Of the
    paper's two forms of the map this is the simple one. The paper's text was not at hand.
    """

    placement = "scaled"

    def __init__(self, channels: int):
        super().__init__()
        self.direct = nn.Conv2d(channels, channels, 1)
        self.reverse = nn.Conv2d(channels, channels, 1)
        self.map = AttentionMap("full gate")

    def forward(self, x: Tensor) -> Tensor:
        direct = self.direct(x)
        gate = self.map(torch.sigmoid(-direct))
        return direct - gate * self.reverse(x)
