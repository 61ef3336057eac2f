"""Harmonious attention with its learned hard regions (Li, Zhu, Gong 2018, arXiv:1802.08122)."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.blocks.harmonious import Harmonious, layer
from hardattn.maps import AttentionMap, splatted


def feature(before: int, after: int) -> nn.Sequential:
    """A fully connected layer, a norm and a rectifier."""
    return nn.Sequential(nn.Linear(before, after, bias=False), nn.BatchNorm1d(after), nn.ReLU())


class HarmoniousRegions(nn.Module):
    """A few crops whose size is fixed and whose places are learned, beside the whole map.

    theta = tanh(fc(mean_hw(x))): for each of `regions` regions where its centre is, (t_x, t_y);
    region i is x read, bilinearly, at (s_x u + t_x, s_y v + t_y), u and v in [-1, 1], 0 outside x,
    at about one point a pixel. `scale`: (s_x, s_y). All regions go through one convolution, their
    means over places side by side through a fully connected layer; the global branch is
    `Harmonious` and a layer of its own; a linear answer reads both. Nothing is drawn: "hard" is the
    paper's word for regions, and backpropagation learns where they are.

    (B, C, H, W) -> (B, K). Maps: the gate of `Harmonious`; theta, (B, 2 regions), x before y, whose
    density is how much of each pixel the regions read. The regions start as stripes below each
    other, which by default tile the map, whatever the image.

    Departures: the paper has three levels, with regions at each that are added to those of the
    level before, local branches of Inception units, and one loss for each branch; a head has one
    level and one answer, here one 3x3 convolution a region. The paper's text was not at hand: the
    shared weights, the scale and the start are those of torchreid, whose stripes start a little
    closer to the middle, because there tanh comes after the start.

    Args:
        regions: How many parts are looked at.
        scale: Shares of the height and the width that a region covers.
    """

    placement = "pooling"

    def __init__(
        self,
        channels: int,
        classes: int,
        *,
        regions: int = 4,
        scale: tuple[float, float] = (1.0, 0.25),
    ):
        super().__init__()
        self.regions, self.scale = regions, scale
        self.soft = Harmonious(channels)
        self.localise = nn.Linear(channels, 2 * regions)
        nn.init.zeros_(self.localise.weight)
        middle = (2 * torch.arange(regions) + 1) / regions - 1
        with torch.no_grad():
            self.localise.bias.copy_(torch.stack([0 * middle, middle.atanh()], 1).flatten())
        self.local = layer(channels, channels, kernel=3)
        self.whole = feature(channels, channels)
        self.parts = feature(regions * channels, channels)
        self.classifier = nn.Linear(2 * channels, classes)
        self.map = AttentionMap("geometric")

    def points(self, theta: Tensor, height: int, width: int) -> Tensor:
        """Where the regions of (B, 2 regions) read: (B, regions, h, w, 2), x before y."""
        sides = []
        for scale, pixels in zip(self.scale, (width, height), strict=True):
            count = math.ceil(scale * pixels)
            cell = torch.arange(count, dtype=theta.dtype, device=theta.device)
            sides.append(scale * ((2 * cell + 1) / count - 1))
        grid = torch.stack(torch.meshgrid(*sides, indexing="xy"), -1)
        return theta.unflatten(1, (self.regions, 1, 1, 2)) + grid

    def crops(self, x: Tensor, theta: Tensor) -> Tensor:
        """(B, C, H, W) and (B, 2 regions) -> (B, regions, C, h, w)."""
        points = self.points(theta, *x.shape[2:])
        below = F.grid_sample(x, points.flatten(1, 2), align_corners=False)
        return below.unflatten(2, points.shape[1:3]).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]

        def density(theta: Tensor) -> Tensor:
            columns, rows = self.points(theta, height, width).flatten(1, 3).unbind(-1)
            rows, columns = ((rows + 1) * height - 1) / 2, ((columns + 1) * width - 1) / 2
            return splatted(rows, columns, height, width)

        whole = self.whole(self.soft(x).mean((2, 3)))
        theta = torch.tanh(self.localise(x.mean((2, 3))))
        theta = self.map(theta, density=density)
        seen = self.local(self.crops(x, theta).flatten(0, 1)).mean((2, 3))
        parts = self.parts(seen.unflatten(0, (-1, self.regions)).flatten(1))
        return self.classifier(torch.cat([whole, parts], 1))
