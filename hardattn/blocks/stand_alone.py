"""Stand-alone self-attention (Ramachandran et al. 2019, arXiv:1906.05909)."""

import torch
from torch import Tensor, nn

from hardattn.maps import AttentionMap, received


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
    is drawn around the layer alone. 4 heads, not 8. Windows are a mask on all pairs of places: on
    maps as small as those here that is faster than to cut them out, but the cost is quadratic.

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
        row, above = within(height, self.reach, x)
        column, aside = within(width, self.reach, x)
        of_row, of_column = query.chunk(2, 2)
        # What is outside the window is so by its row or by its column: masks of one axis do.
        by_row = torch.einsum("bhcyx,hyuc->bhyxu", of_row, self.rows[:, row])
        by_row = by_row.masked_fill(above[:, None], -torch.inf)
        by_column = torch.einsum("bhcyx,hxvc->bhyxv", of_column, self.columns[:, column])
        by_column = by_column.masked_fill(aside, -torch.inf)
        query, key, value = (each.flatten(3) for each in (query, key, value))
        scores = (query.transpose(2, 3) @ key).view(*by_row.shape, width)
        scores = scores + by_row[..., None] + by_column[..., None, :]
        weights = scores.flatten(4).flatten(2, 3).softmax(-1)
        weights = self.map(weights, density=received(height, width))
        return x + (value @ weights.transpose(2, 3)).flatten(1, 2).view(x.shape)
