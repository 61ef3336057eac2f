"""Stand-alone self-attention (Ramachandran et al. 2019, arXiv:1906.05909)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.maps import AttentionMap, received

Offsets = tuple[Tensor, Tensor]


def within(length: int, reach: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Offsets j - i along one axis as indices from 0, cut off at `reach`; and which are beyond it.

    Each (length, length), of i and j.
    """
    place = torch.arange(length, device=like.device)
    offset = place - place[:, None]
    return offset.clamp(-reach, reach) + reach, offset.abs() > reach


class StandAlone(nn.Module):
    """y = x + o, o_i = sum_j softmax_j(q_i.k_j + q_i.r_(j - i)) v_j over the k x k window of i.

    r joins an embedding of the row offset, in the first half of a head's channels, and one of the
    column offset, in the second; each head has its own. At the border the window is cut.

    (B, C, H, W) -> same. Map: the weights, (B, heads, N, N), rows sum to one, zero outside the
    window. q, k and v are C x C without biases, and there is no output convolution. window: k, odd.

    Departures: the layer takes the place of a 3x3 convolution in a bottleneck; here the shortcut
    is drawn around the layer alone. 4 heads, not 8. On a small map, and where the weights are to be
    seen, windows are a mask on all pairs of places; on a larger one places are taken k x k at a
    time, with all that their windows reach, and the cost is linear in N.

    Args:
        heads: How many attend side by side.
        window: Side of the neighbourhood in places.
    """

    placement = "replacement"

    def __init__(self, channels: int, *, heads: int = 4, window: int = 7):
        super().__init__()
        if channels % (2 * heads):
            raise ValueError(f"{channels} channels are no multiple of {2 * heads}, twice the heads")
        if window % 2 == 0:
            raise ValueError(f"a window of {window} has no middle: choose an odd one")
        half = channels // heads // 2
        self.heads, self.reach = heads, window // 2
        self.project = nn.Conv2d(channels, 3 * channels, 1, bias=False)
        self.rows = nn.Parameter(half**-0.5 * torch.randn(heads, window, half))
        self.columns = nn.Parameter(half**-0.5 * torch.randn(heads, window, half))
        self.map = AttentionMap("pairwise", over=(-1,))

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        query, key, value = self.project(x).unflatten(1, (3, self.heads, -1)).unbind(1)
        side = 2 * self.reach + 1
        if 2 * (side + 2 * self.reach) ** 2 <= height * width and not self.map.heard:
            return x + self.in_tiles(query, key, value, side).flatten(1, 2)
        row, above = within(height, self.reach, x)
        column, aside = within(width, self.reach, x)
        weights = self.weights(query, key, (row, above), (column, aside))
        weights = self.map(weights, density=received(height, width))
        return x + (value.flatten(3) @ weights.transpose(2, 3)).flatten(1, 2).view(x.shape)

    def weights(self, query: Tensor, key: Tensor, rows: Offsets, columns: Offsets) -> Tensor:
        """(B, heads, d, Y, X) queries, (B, heads, d, U, V) keys -> (B, heads, Y X, U V).

        rows, columns: indices of offsets, and what is outside the window: (Y, U) and (X, V), or of
        outside (B, 1, Y, 1, U) and (B, 1, 1, X, V).
        """
        (row, above), (column, aside) = rows, columns
        of_row, of_column = query.chunk(2, 2)
        # What is outside the window is so by its row or by its column: masks of one axis do.
        by_row = torch.einsum("bhcyx,hyuc->bhyxu", of_row, self.rows[:, row])
        by_row = by_row.masked_fill(above if above.dim() > 2 else above[:, None], -torch.inf)
        by_column = torch.einsum("bhcyx,hxvc->bhyxv", of_column, self.columns[:, column])
        by_column = by_column.masked_fill(aside, -torch.inf)
        scores = query.flatten(3).transpose(2, 3) @ key.flatten(3)
        scores = scores.view(*by_row.shape, key.shape[-1])
        scores = scores + by_row[..., None] + by_column[..., None, :]
        return scores.flatten(4).flatten(2, 3).softmax(-1)

    def in_tiles(self, query: Tensor, key: Tensor, value: Tensor, side: int) -> Tensor:
        """(B, heads, d, H, W) each -> same: places side x side at a time, and what they reach."""
        batch, heads, size, height, width = query.shape
        down, across = -(-height // side), -(-width // side)
        rest = down * side - height, across * side - width
        reach, seen = self.reach, side + 2 * self.reach

        def tiles(of: Tensor, sides: int, margin: int) -> Tensor:
            """-> (B tiles, heads, d, sides, sides)."""
            of = F.pad(of.flatten(0, 1), (margin, margin + rest[1], margin, margin + rest[0]))
            of = of.unfold(2, sides, side).unfold(3, sides, side)
            of = of.unflatten(0, (batch, heads)).permute(0, 3, 4, 1, 2, 5, 6)
            return of.flatten(0, 2)

        place = torch.arange(seen, device=query.device)
        offset = place - reach - torch.arange(side, device=query.device)[:, None]
        index, beyond = offset.clamp(-reach, reach) + reach, offset.abs() > reach

        def outside(count: int, length: int) -> Tensor:
            """(count, side, seen): beyond the window, or the image, of each tile in a line."""
            first = torch.arange(count, device=query.device)[:, None] * side - reach
            off = (first + place < 0) | (first + place >= length)
            # What is only there to fill a tile sees its window all the same, for a softmax of
            # nothing is no number; it is cut off below.
            filled = first + reach + torch.arange(side, device=query.device) >= length
            return beyond | (off[:, None] & ~filled[..., None])

        above = outside(down, height)[:, None].expand(-1, across, -1, -1).flatten(0, 1)
        aside = outside(across, width)[None].expand(down, -1, -1, -1).flatten(0, 1)
        above, aside = (each.repeat(batch, 1, 1)[:, None] for each in (above, aside))
        weights = self.weights(
            tiles(query, side, 0),
            tiles(key, seen, reach),
            (index, above[:, :, :, None]),
            (index, aside[:, :, None]),
        )
        made = tiles(value, seen, reach).flatten(3) @ weights.transpose(2, 3)
        made = made.view(batch, down, across, heads, size, side, side)
        made = made.permute(0, 3, 4, 1, 5, 2, 6).reshape(
            batch, heads, size, down * side, across * side
        )
        return made[..., :height, :width]
