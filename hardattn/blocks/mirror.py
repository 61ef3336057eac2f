"""Mirror attention (Jin, Lee, Kim 2020, arXiv:2203.15285), about the vertical axis."""

import torch
from torch import Tensor, nn

from hardattn.maps import AttentionMap


class Mirror(nn.Module):
    """y = (1 + A) * x, A = sigmoid(conv_7x7(relu(conv_7x7(relu(conv_3x3([x; flip(x)])))))).

    (B, C, H, W) -> same. flip turns left and right around; the convolutions lead to one channel and
    have no biases. Map: A, (B, 1, H, W).

    Departures: one fixed axis, where the paper has a map for each line that may be an axis. The
    first 7x7 kernel starts positive: what it reads is rectified already, and with no bias a kernel
    of the other sign would make the map 1/2 everywhere, for good.
    """

    placement = "branch"

    def __init__(self, channels: int):
        super().__init__()
        self.compare = nn.Conv2d(2 * channels, 1, 3, padding=1, bias=False)
        self.widen = nn.Conv2d(1, 1, 7, padding=3, bias=False)
        self.decide = nn.Conv2d(1, 1, 7, padding=3, bias=False)
        with torch.no_grad():
            self.widen.weight.abs_()
        self.map = AttentionMap("spatial gate")

    def forward(self, x: Tensor) -> Tensor:
        seen = torch.relu(self.compare(torch.cat([x, x.flip(3)], 1)))
        gate = torch.sigmoid(self.decide(torch.relu(self.widen(seen))))
        return x * (1 + self.map(gate))
