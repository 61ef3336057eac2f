"""Efficient attention (Shen, Zhang, Zhao, Yi, Li 2021, arXiv:1812.01243)."""

from torch import Tensor, nn

from hardattn.maps import AttentionMap, pooled


class Efficient(nn.Module):
    """y = x + W_r (P (R' V)): P = softmax of queries over channels, R = of keys over places.

    The columns of R are global maps, each of which pools the values once; a row of P says what of
    these a place takes. So P R' is an attention of N x N places, whose rows sum to one, at a cost
    linear in N, and is never written out.

    (B, C, H, W) -> same. Maps: P, (B, C / 2, H, W), sums to one over channels; R, (B, C / 2, N),
    sums to one over places. Queries, keys and values have C / 2 channels, as in a non-local block.

    Departures: no biases but that of W_r.
    """

    placement = "scaled"

    def __init__(self, channels: int):
        super().__init__()
        inner = max(1, channels // 2)
        self.query = nn.Conv2d(channels, inner, 1, bias=False)
        self.key = nn.Conv2d(channels, inner, 1, bias=False)
        self.value = nn.Conv2d(channels, inner, 1, bias=False)
        self.out = nn.Conv2d(inner, channels, 1)
        self.query_map = AttentionMap("codes", over=(-3,))
        self.key_map = AttentionMap("pooled query", over=(-1,))

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        query = self.query_map(self.query(x).softmax(1)).flatten(2)
        key = self.key(x).flatten(2).softmax(-1)
        key = self.key_map(key, density=pooled(height, width))
        context = self.value(x).flatten(2) @ key.transpose(1, 2)
        return x + self.out((context @ query).unflatten(2, (height, width)))
