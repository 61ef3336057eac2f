"""Mirror attention (Jin, Lee, Kim 2020, arXiv:2203.15285), about one axis or about candidates."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.maps import AttentionMap


class Mirror(nn.Module):
    """y = (1 + A) * x, A = sigmoid(conv_7x7(relu(conv_7x7(relu(conv_3x3([x; flip(x)])))))).

    (B, C, H, W) -> same. flip turns left and right around; the convolutions lead to one channel and
    have no biases. Map: A, (B, 1, H, W).

    With K = `axes` * `offsets` candidates above one, flip is the reflection about each of them, by
    the same convolutions: its map A_k, and how likely it is an axis, w = softmax over k of s m_k,
    with m_k the mean of what A_k is the sigmoid of, over the places whose mirror images lie on the
    map, and s a learned number, 1 at first. A is then the sum over k of w_k A_k. Map beside A: w,
    (B, 1, K), sums to one over candidates; parallel ones stand together.

    Departures: the paper asks of each candidate line by itself whether it is one, by a classifier
    that learns from lines that are drawn by hand; without them the mean of the map says it, and the
    task alone teaches it. By default one fixed axis. The first 7x7 kernel starts positive: what it
    reads is rectified already, and with no bias a kernel of the other sign would make the map 1/2
    everywhere, for good.

    Args:
        axes: Directions of the candidates, evenly spaced; the first is vertical.
        offsets: Parallel candidates of each direction, evenly spaced over the map.
    """

    placement = "branch"

    def __init__(self, channels: int, *, axes: int = 1, offsets: int = 1):
        super().__init__()
        if axes < 1 or offsets < 1:
            raise ValueError(f"axes and offsets are 1 or more, not {axes} and {offsets}")
        self.axes, self.offsets = axes, offsets
        self.compare = nn.Conv2d(2 * channels, 1, 3, padding=1, bias=False)
        self.widen = nn.Conv2d(1, 1, 7, padding=3, bias=False)
        self.decide = nn.Conv2d(1, 1, 7, padding=3, bias=False)
        with torch.no_grad():
            self.widen.weight.abs_()
        self.map = AttentionMap("spatial gate")
        if axes * offsets > 1:
            self.sure = nn.Parameter(torch.ones(()))
            self.candidates = AttentionMap("pooled query", over=(-1,))

    def forward(self, x: Tensor) -> Tensor:
        if self.axes * self.offsets > 1:
            return x * (1 + self.map(self._about_candidates(x)))
        return x * (1 + self.map(torch.sigmoid(self._seen(x, x.flip(3)))))

    def _seen(self, x: Tensor, reflected: Tensor) -> Tensor:
        """(B, C, H, W) and as much -> (B, 1, H, W), whose sigmoid is a map."""
        seen = torch.relu(self.compare(torch.cat([x, reflected], 1)))
        made: Tensor = self.decide(torch.relu(self.widen(seen)))
        return made

    def _about_candidates(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 1, H, W)."""
        count, _, height, width = x.shape
        grid = reflections(self.axes, self.offsets, height, width, x.device)
        there = (grid.abs() <= 1).all(-1).to(x.dtype)
        # All reflections in one image, one below the other; half of the digits would move places.
        wide = torch.promote_types(x.dtype, grid.dtype)
        below = grid.flatten(0, 1).to(wide).expand(count, -1, -1, -1)
        reflected = F.grid_sample(x.to(wide), below, align_corners=False).to(x.dtype)
        reflected = reflected.unflatten(2, (-1, height)).transpose(1, 2).flatten(0, 1)
        same = x[:, None].expand(-1, len(grid), -1, -1, -1).flatten(0, 1)
        seen = self._seen(same, reflected).unflatten(0, (count, len(grid)))[:, :, 0]
        mean = (seen * there).sum((2, 3)) / there.sum((1, 2)).clamp_min(1)
        weights = self.candidates((self.sure * mean).softmax(1)[:, None])[:, 0]
        return (weights[..., None, None] * torch.sigmoid(seen)).sum(1, keepdim=True)


def reflections(
    axes: int, offsets: int, height: int, width: int, device: torch.device | None = None
) -> Tensor:
    """(axes * offsets, height, width, 2): where each pixel's mirror image is, x and y in [-1, 1].

    The line with the normal n = (cos a, sin a), a = pi i / axes, at a distance d from the centre of
    the map; d of the j-th is (2 j + 1) / offsets - 1 of the way to where the line leaves the map.
    In pixels, so that it is a reflection on a map of any shape.
    """
    angle = torch.arange(axes, device=device) * (math.pi / axes)
    normal = torch.stack([angle.cos(), angle.sin()], 1)[:, None]
    half = torch.stack([torch.full_like(angle, width), torch.full_like(angle, height)], 1) / 2
    reach = (normal[:, 0].abs() * half).sum(1)
    part = (2 * torch.arange(offsets, device=device) + 1) / offsets - 1
    y = torch.arange(height, device=device) + 0.5 - height / 2
    x = torch.arange(width, device=device) + 0.5 - width / 2
    place = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)
    away = (place @ normal[:, 0].T).permute(2, 0, 1)[:, None]
    away = away - (reach[:, None] * part)[..., None, None]
    mirrored = place - 2 * away[..., None] * normal[:, :, None, None]
    return (mirrored / half[:, None, None, None]).flatten(0, 1)
