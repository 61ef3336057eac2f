"""Position-sensitive axial attention (Wang et al. 2020, Axial-DeepLab, arXiv:2003.07853)."""

import torch
from torch import Tensor, nn

from hardattn.maps import AttentionMap


class AxisAttention(nn.Module):
    """Each place attends to those on its line along one axis: 2, its column, or 3, its row.

    (B, C, H, W) -> same, without a shortcut. o_i = BN(sum_j a_ij v_j) + BN(sum_j a_ij r^v_(j - i)),
    a_ij = softmax_j(BN(q_i.k_j) + BN(q_i.r^q_(j - i)) + BN(k_j.r^k_(j - i))). All three r are parts
    of one table, a row for each offset, which heads share. q and k have C / 2 channels, v has C.
    """

    def __init__(self, channels: int, axis: int, heads: int, span: int):
        super().__init__()
        width = channels // heads
        self.axis, self.heads, self.span = axis, heads, span
        self.parts = [width // 2, width // 2, width]
        self.project = nn.Conv2d(channels, 2 * channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(2 * channels)
        self.offsets = nn.Parameter(width**-0.5 * torch.randn(2 * span + 1, 2 * width))
        self.norm_scores = nn.BatchNorm2d(3 * heads)
        self.norm_values = nn.BatchNorm2d(2 * channels)
        self.map = AttentionMap("local", over=(-1,))

    def density(self, weights: Tensor) -> Tensor:
        """(B, heads, H, W, line) -> what each place gets, (B, H, W)."""
        got = weights.mean((1, self.axis)) / weights.shape[5 - self.axis]
        return got.transpose(1, 2) if self.axis == 2 else got

    def forward(self, x: Tensor) -> Tensor:
        x = x.transpose(2, self.axis)
        place = torch.arange(x.shape[2], device=x.device)
        offset = (place - place[:, None]).clamp(-self.span, self.span) + self.span
        by_query, by_key, by_value = self.offsets[offset].split(self.parts, 2)
        projected = self.norm(self.project(x)).unflatten(1, (self.heads, -1))
        query, key, value = projected.split(self.parts, 2)
        kinds = (
            torch.einsum("bhciw,bhcjw->bhjiw", query, key),
            torch.einsum("bhciw,ijc->bhjiw", query, by_query),
            torch.einsum("bhcjw,ijc->bhjiw", key, by_key),
        )
        scores = self.norm_scores(torch.cat(kinds, 1).flatten(3)).unflatten(1, (3, self.heads))
        # Over a last dimension as short as a line, softmax would be many times slower.
        weights = scores.sum(1).softmax(2).unflatten(3, x.shape[2:]).movedim(2, -1)
        weights = self.map(weights.transpose(2, self.axis), density=self.density)
        weights = weights.transpose(2, self.axis)
        content = torch.einsum("bhiwj,bhcjw->bhciw", weights, value).flatten(1, 2)
        position = torch.einsum("bhiwj,ijc->bhciw", weights, by_value).flatten(1, 2)
        both = self.norm_values(torch.cat([content, position], 1)).unflatten(1, (2, -1))
        return both.sum(1).transpose(2, self.axis)


class Axial(nn.Module):
    """y = x + rows(columns(x)): attention along the height, then along the width.

    (B, C, H, W) -> same. Maps: (B, heads, H, W, H), how each place attends to its column, then
    (B, heads, H, W, W), to its row; both sum to one over the last dimension. Batch norms are as in
    the authors' code: of the projections, the three kinds of score, the two kinds of value.

    Departures: without the 1x1 convolutions of the bottleneck in which the paper places it. A
    table of offsets made for one size would fix the size: here offsets beyond `span` places share
    the outermost row, as in Shaw et al. (2018, arXiv:1803.02155). 4 heads, not 8.

    Args:
        heads: How many attend side by side.
        span: How far a place sees along an axis.
    """

    placement = "replacement"

    def __init__(self, channels: int, *, heads: int = 4, span: int = 16):
        super().__init__()
        if channels % (2 * heads):
            raise ValueError(f"{channels} channels are no multiple of {2 * heads}, twice the heads")
        self.columns = AxisAttention(channels, 2, heads, span)
        self.rows = AxisAttention(channels, 3, heads, span)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.rows(self.columns(x))
