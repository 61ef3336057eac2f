"""Deformable convolution (Dai et al. 2017, arXiv:1703.06211; Zhu et al. 2018, arXiv:1811.11168)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.maps import AttentionMap, splatted


class Deformable(nn.Module):
    """y(p) = b + sum_k W_k x(p + p_k + d_k(p)): taps of a convolution that move.

    (B, C, H, W) -> same. p_k is the regular k x k grid, d = conv_kxk(x) are offsets in pixels, x is
    read bilinearly and is 0 outside. Map: the offsets, (B, 2 k^2, H, W), (row, column) tap by tap;
    its density is how much of each pixel was read. The offsets start at 0, so the block starts as
    an ordinary convolution.

    Args:
        kernel: Side of the convolution in pixels.
    """

    placement = "replacement"

    def __init__(self, channels: int, *, kernel: int = 3):
        super().__init__()
        if kernel < 1 or kernel % 2 == 0:
            raise ValueError(f"a deformable convolution needs an odd kernel, not {kernel}")
        self.kernel = kernel
        self.conv = nn.Conv2d(channels, channels, kernel, padding=kernel // 2)
        self.offset = self._zeros(channels, 2)
        self.map = AttentionMap("geometric")

    def _zeros(self, channels: int, parts: int) -> nn.Conv2d:
        """What says `parts` numbers a tap, at first all 0."""
        conv = nn.Conv2d(channels, parts * self.kernel**2, self.kernel, padding=self.kernel // 2)
        for weight in conv.parameters():
            nn.init.zeros_(weight)
        return conv

    def points(self, offsets: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 2 k^2, H, W) offsets -> rows and columns that are read, (B, k^2, H, W), in pixels."""
        height, width = offsets.shape[2:]
        row, column, tap = (
            torch.arange(count, device=offsets.device) for count in (height, width, self.kernel**2)
        )
        down, across = tap // self.kernel - self.kernel // 2, tap % self.kernel - self.kernel // 2
        rows, columns = offsets.unflatten(1, (-1, 2)).unbind(2)
        return rows + down[:, None, None] + row[:, None], columns + across[:, None, None] + column

    def density(self, offsets: Tensor) -> Tensor:
        rows, columns = (each.flatten(1) for each in self.points(offsets))
        height, width = offsets.shape[2:]
        return splatted(rows, columns, height, width)

    def sample(self, x: Tensor, offsets: Tensor) -> Tensor:
        """What the taps read: (B, C, k^2, H, W)."""
        height, width = x.shape[2:]
        rows, columns = self.points(offsets)
        # grid_sample counts from -1 to 1, from the outer edges of the outer pixels.
        grid = torch.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], -1)
        seen = F.grid_sample(x, grid.flatten(1, 2), align_corners=False)
        return seen.unflatten(2, (self.kernel**2, height))

    def convolve(self, seen: Tensor) -> Tensor:
        """(B, C, k^2, H, W) -> (B, C, H, W), with the weights of the convolution."""
        weight = self.conv.weight.flatten(1)[..., None, None]
        return F.conv2d(seen.flatten(1, 2), weight, self.conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        offsets = self.map(self.offset(x), density=self.density)
        return self.convolve(self.sample(x, offsets))


class DeformableV2(Deformable):
    """Modulated deformable convolution: y(p) = b + sum_k m_k(p) W_k x(p + p_k + d_k(p)).

    (B, C, H, W) -> same. Offsets d and modulations m = sigmoid(conv_kxk(x)) start at 0 and 1/2.
    Map: both, (B, 3 k^2, H, W), the offsets first; in its density a tap counts m.

    Departures: both learn as fast as the rest; the paper slows them to a tenth.

    Args:
        kernel: Side of the convolution in pixels.
    """

    def __init__(self, channels: int, *, kernel: int = 3):
        super().__init__(channels, kernel=kernel)
        self.modulation = self._zeros(channels, 1)

    def density(self, both: Tensor) -> Tensor:
        offsets, modulation = both.split([2 * self.kernel**2, self.kernel**2], 1)
        rows, columns = (each.flatten(1) for each in self.points(offsets))
        height, width = both.shape[2:]
        return splatted(rows, columns, height, width, modulation.flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        both = torch.cat([self.offset(x), torch.sigmoid(self.modulation(x))], 1)
        both = self.map(both, density=self.density)
        offsets, modulation = both.split([2 * self.kernel**2, self.kernel**2], 1)
        return self.convolve(self.sample(x, offsets) * modulation[:, None])
