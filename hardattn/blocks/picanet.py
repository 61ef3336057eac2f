"""Pixel-wise contextual attention (PiCANet; Liu, Han, Yang 2018, arXiv:1708.06433)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.maps import AttentionMap


class Fuse(nn.Module):
    """relu(BN(conv_1x1([x; attended]))), as the paper's decoder does with what was attended to."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(2 * channels, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor, attended: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(torch.cat([x, attended], 1))))


class PiCANetLocal(nn.Module):
    """Each place weighs a window around it: a_p = softmax(conv_1x1(conv_7x7(x))_p), u_p = sum a x.

    (B, C, H, W) -> same: relu(BN(conv_1x1([x; u]))). The window is 7x7 with dilation 2, and so is
    the first convolution. What lies outside the map is 0, and weight on it attends to nothing. Map:
    a, (B, H, W, 49), sums to one over the last dimension.

    Departures: C / 4 channels, at least eight, between the two convolutions, where the paper has
    128 for 64 to 512. It fuses within a decoder, whose other parts are left out. The paper's text
    was not at hand; this follows an implementation.

    Args:
        window: Side of the neighbourhood in places.
        dilation: Places from one of the neighbourhood to the next.
    """

    placement = "scaled"

    def __init__(self, channels: int, *, window: int = 7, dilation: int = 2):
        super().__init__()
        if window % 2 == 0:
            raise ValueError(f"a window around a place needs an odd side, not {window}")
        self.window, self.dilation = window, dilation
        self.padding = dilation * (window // 2)
        hidden = max(8, channels // 4)
        self.context = nn.Conv2d(
            channels, hidden, window, padding=self.padding, dilation=dilation, bias=False
        )
        self.weigh = nn.Conv2d(hidden, window**2, 1)
        self.fuse = Fuse(channels)
        self.map = AttentionMap("local", over=(-1,))

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        weights = self.weigh(self.context(x)).softmax(1).permute(0, 2, 3, 1)

        def density(weights: Tensor) -> Tensor:
            return self.matrix(weights).mean(1).unflatten(1, (height, width))

        weights = self.map(weights, density=density)
        # As weights on all places, most of them 0: every window laid out would take 49 maps.
        attended = x.flatten(2) @ self.matrix(weights).transpose(1, 2)
        return self.fuse(x, attended.unflatten(2, (height, width)))

    def matrix(self, weights: Tensor) -> Tensor:
        """(B, H, W, window^2) -> (B, N, N): the same weights on places, without the outside."""
        height, width = weights.shape[1:3]
        step = torch.arange(self.window, device=weights.device) * self.dilation - self.padding
        rows = (torch.arange(height, device=weights.device)[:, None] + step)[:, None, :, None]
        columns = (torch.arange(width, device=weights.device)[:, None] + step)[:, None]
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        place = rows.clamp(0, height - 1) * width + columns.clamp(0, width - 1)
        place, inside = (each.view(-1, self.window**2) for each in (place, inside))
        weights = weights.flatten(1, 2) * inside
        empty = weights.new_zeros(*weights.shape[:2], height * width)
        return empty.scatter_add(2, place.expand_as(weights), weights)


class PiCANetGlobal(nn.Module):
    """Each place weighs 10x10 places of the whole map, after a ReNet has swept rows and columns.

    (B, C, H, W) -> same: a_p = softmax(conv_1x1(ReNet(x))_p), u_p = sum_k a_pk c_k,
    relu(BN(conv_1x1([x; u]))), where c is x at 10x10 places evenly apart, the outermost in the
    corners, read bilinearly; for the 28x28 maps of the paper this is every third pixel, as there.
    ReNet: an LSTM both ways along each row, then one along each column. Map: a, (B, 1, N, 100),
    rows sum to one.

    Departures: the LSTMs have C / 4 units each way; the paper's 256 serve 512 to 1024 channels. It
    fuses within a decoder, whose other parts are left out. The paper's text was not at hand; this
    follows an implementation.

    Args:
        context: Side of the context in places.
    """

    placement = "scaled"

    def __init__(self, channels: int, *, context: int = 10):
        super().__init__()
        hidden = channels // 4
        self.context = context
        self.along_rows = nn.LSTM(channels, hidden, batch_first=True, bidirectional=True)
        self.along_columns = nn.LSTM(2 * hidden, hidden, batch_first=True, bidirectional=True)
        self.weigh = nn.Conv2d(2 * hidden, context**2, 1)
        self.fuse = Fuse(channels)
        self.map = AttentionMap("pairwise", over=(-1,))

    def sweep(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> same: each place has seen the whole map."""
        rows = x.permute(0, 2, 3, 1)
        rows = self.along_rows(rows.flatten(0, 1))[0].view(*rows.shape[:3], -1)
        columns = rows.transpose(1, 2)
        columns = self.along_columns(columns.flatten(0, 1))[0].view(*columns.shape[:3], -1)
        return columns.permute(0, 3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        weights = self.weigh(self.sweep(x)).flatten(2).softmax(1).transpose(1, 2)[:, None]
        down, across = (evenly(count, self.context, x) for count in (height, width))

        def density(weights: Tensor) -> Tensor:
            grid = weights.mean((1, 2)).unflatten(1, (self.context, self.context))
            return down.T @ grid @ across

        weights = self.map(weights, density=density)
        context = (down @ x @ across.T).flatten(2)
        attended = context @ weights[:, 0].transpose(1, 2)
        return self.fuse(x, attended.unflatten(2, (height, width)))


def evenly(pixels: int, points: int, like: Tensor) -> Tensor:
    """(points, pixels): bilinear weights of points evenly apart, the first and last on pixels."""
    place = torch.linspace(0, pixels - 1, points, device=like.device, dtype=like.dtype)
    return F.relu(1 - (place[:, None] - torch.arange(pixels, device=like.device)).abs())
