"""X-linear attention (Pan, Yao, Li, Mei 2020, arXiv:2003.14080)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.maps import AttentionMap, pooled


class Embedding(nn.Module):
    """norm(celu(W u)), heads one by one, with the alpha of the authors' code. (..., C) -> same."""

    def __init__(self, channels: int, heads: int):
        super().__init__()
        self.linear = nn.Linear(channels, channels)
        self.norm = nn.GroupNorm(heads, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(F.celu(self.linear(x), 1.3).flatten(0, -2)).view(x.shape)


class BilinearPooling(nn.Module):
    """(B, C, H, W) -> (B, C): places, pooled by their products with a query q.

    q: (B, C), by default the mean of places. With embeddings E of each head, whose channels W_b
    halves,

        b_i = relu(W_b (E_k x_i * E_q q))
        s = softmax_i(w.b_i), c = sigmoid(W_c mean_i b_i)
        v = c * sum_i s_i (E_v x_i * E_u q)

    Heads share W_b, w and W_c. Maps: s, (B, heads, N), sums to one, and c, (B, C).
    """

    def __init__(self, channels: int, heads: int):
        super().__init__()
        width = channels // heads
        middle = max(1, width // 2)
        self.heads = heads
        self.key, self.value = Embedding(channels, heads), Embedding(channels, heads)
        self.key_query, self.value_query = Embedding(channels, heads), Embedding(channels, heads)
        self.joint = nn.Linear(width, middle)
        self.spatial = nn.Linear(middle, 1, bias=False)
        self.channel = nn.Linear(middle, width)
        self.spatial_map = AttentionMap("pooled query", over=(-1,))
        self.channel_map = AttentionMap("channel gate")

    def forward(self, x: Tensor, query: Tensor | None = None) -> Tensor:
        places = x.flatten(2).transpose(1, 2)
        query = places.mean(1, keepdim=True) if query is None else query[:, None]
        keyed, valued = (
            (of_place(places) * of_query(query)).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for of_place, of_query in ((self.key, self.key_query), (self.value, self.value_query))
        )
        joint = F.relu(self.joint(keyed))
        spatial = self.spatial(joint)[..., 0].softmax(-1)
        spatial = self.spatial_map(spatial, density=pooled(*x.shape[2:]))
        channel = torch.sigmoid(self.channel(joint.mean(2))).flatten(1)
        channel = self.channel_map(channel)
        return channel * (spatial[:, :, None] @ valued).flatten(1)


class XLinear(nn.Module):
    """y = norm(x + relu(W [v; x])), v the bilinear pooling of the image, given to every place.

    (B, C, H, W) -> same. Maps: those of the pooling. X-linear attention makes one vector of many;
    that this is a block is the paper's own doing: so a layer of its encoder of images passes places
    on to the next. norm is that of a layer, over channels.

    A survey of attention (arXiv:2204.07756) calls it linear in cost and free of positions; the
    paper is about bilinear pooling for captions, and that is what this is.

    Departures: one layer of four, and no dropout. 4 heads, not 8.

    Args:
        heads: How many attend side by side.
    """

    placement = "scaled"

    def __init__(self, channels: int, *, heads: int = 4):
        super().__init__()
        if channels % heads:
            raise ValueError(f"{heads} heads do not divide {channels} channels")
        self.pool = BilinearPooling(channels, heads)
        self.join = nn.Linear(2 * channels, channels)
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        places = x.flatten(2).transpose(1, 2)
        answer = self.pool(x)[:, None].expand_as(places)
        places = self.norm(places + F.relu(self.join(torch.cat([answer, places], 2))))
        return places.transpose(1, 2).unflatten(2, x.shape[2:])
