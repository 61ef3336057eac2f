"""The inception unit (Szegedy et al. 2015, arXiv:1409.4842), which is no attention: a control."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.maps import AttentionMap


class Inception(nn.Module):
    """y = relu [conv_1(x); conv_3(relu(conv_1(x))); conv_5(relu(conv_1(x))); conv_1(max_3x3(x))].

    (B, C, H, W) -> same. Each branch gives a quarter of the channels, what does not divide going to
    the first; the middle layers of the second and third have half as many as they give.

    It fits the general formula of attention, f(g(x), x), by which Guo et al. (2022,
    arXiv:2111.07624) define it, with g the branches and f(g, x) = g, and yet nothing that is there
    is weighed by it: what attention adds is said by comparison. Map: g, a full gate, (B, C, H, W).

    Departures: the paper's branches are of unequal widths, and widen the map; here they are
    quarters, and it keeps its width.
    """

    placement = "replacement"

    def __init__(self, channels: int):
        super().__init__()
        part, inner = max(1, channels // 4), max(1, channels // 8)
        first = channels - 3 * part
        if first < 1:
            raise ValueError(f"four branches share 4 channels or more, not {channels}")
        self.one = nn.Conv2d(channels, first, 1)
        self.three = self._through(channels, inner, part, 3)
        self.five = self._through(channels, inner, part, 5)
        self.pooled = nn.Conv2d(channels, part, 1)
        self.map = AttentionMap("full gate")

    @staticmethod
    def _through(channels: int, inner: int, part: int, side: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(channels, inner, 1),
            nn.ReLU(),
            nn.Conv2d(inner, part, side, padding=side // 2),
        )

    def forward(self, x: Tensor) -> Tensor:
        around = F.max_pool2d(x, 3, 1, 1)
        parts = [self.one(x), self.three(x), self.five(x), self.pooled(around)]
        return self.map(torch.cat([F.relu(part) for part in parts], 1))
