"""Set transformer (Lee, Lee, Kim, Kosiorek, Choi, Teh 2019, arXiv:1810.00825)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.maps import AttentionMap, pooled, received

Sides = tuple[int, int]


class MAB(nn.Module):
    """Multihead attention block: h = LN(x + attend(x, y)), then LN(h + relu(W h)).

    (B, X, D) that ask, (B, Y, D) that answer -> (B, X, D). Map: of a few that ask places,
    (B, heads * X, Y); otherwise (B, heads, X, Y). `places`: (height, width) of the answering ones
    where they are places. Logits are divided by sqrt(D), not by that of a head, as in the authors'
    code. Keys have no bias: it would cancel in the softmax.
    """

    def __init__(self, width: int, heads: int, *, few: bool = False):
        super().__init__()
        self.heads, self.few = heads, few
        self.query, self.value = nn.Linear(width, width), nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.out, self.feedforward = nn.Linear(width, width), nn.Linear(width, width)
        self.between, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.map = AttentionMap("pooled query" if few else "pairwise", over=(-1,))

    def forward(self, x: Tensor, y: Tensor, places: Sides | None) -> Tensor:
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in (self.query(x), self.key(y), self.value(y))
        )
        weights = (query / x.shape[2] ** 0.5 @ key.transpose(2, 3)).softmax(-1)
        weights = self._declared(weights, places)
        h = self.between(x + self.out((weights @ value).transpose(1, 2).flatten(2)))
        return self.after(h + F.relu(self.feedforward(h)))

    def _declared(self, weights: Tensor, places: Sides | None) -> Tensor:
        if self.few:
            density = None if places is None else pooled(*places)
            flat = self.map(weights.flatten(1, 2), density=density)
            return flat.unflatten(1, (self.heads, -1))
        return self.map(weights, density=None if places is None else received(*places))


class SAB(nn.Module):
    """Set attention block: MAB(x, x), which costs N^2. Maps: (B, heads, N, N)."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.attend = MAB(width, heads)

    def forward(self, x: Tensor, places: Sides) -> Tensor:
        return self.attend(x, x, places)


class ISAB(nn.Module):
    """Induced set attention block: MAB(x, MAB(I, x)) with m learned points I, which costs N m.

    Maps: (B, heads * m, N), and (B, heads, N, m), which is not about places.
    """

    def __init__(self, width: int, heads: int, inducing: int):
        super().__init__()
        self.inducing = nn.Parameter(torch.empty(1, inducing, width))
        nn.init.xavier_uniform_(self.inducing)
        self.gather = MAB(width, heads, few=True)
        self.give = MAB(width, heads)

    def forward(self, x: Tensor, places: Sides) -> Tensor:
        points = self.gather(self.inducing.expand(x.shape[0], -1, -1), x, places)
        return self.give(x, points, None)


class PMA(nn.Module):
    """Pooling by multihead attention: MAB(S, relu(W z)) with k learned seeds S.

    (B, N, D) -> (B, k, D). Map: (B, heads * k, N).
    """

    def __init__(self, width: int, heads: int, seeds: int = 1):
        super().__init__()
        self.seeds = nn.Parameter(torch.empty(1, seeds, width))
        nn.init.xavier_uniform_(self.seeds)
        self.feedforward = nn.Linear(width, width)
        self.attend = MAB(width, heads, few=True)

    def forward(self, z: Tensor, places: Sides) -> Tensor:
        seeds = self.seeds.expand(z.shape[0], -1, -1)
        return self.attend(seeds, F.relu(self.feedforward(z)), places)


class SetTransformer(nn.Module):
    """Two set attention blocks over places, pooling with one seed, then a linear answer.

    (B, C, H, W) -> (B, K). Maps: those of the blocks, the pooling's last. inducing: m points of an
    ISAB; None for SABs. There are no positions, so the order of places does not matter.

    Departures: as wide as its input, where the paper has 128 and up. With one seed the paper's
    decoder needs no SAB.

    Args:
        heads: How many attend side by side.
        inducing: Points through which places attend to each other; None: they do so directly.
    """

    placement = "pooling"

    def __init__(self, channels: int, classes: int, *, heads: int = 4, inducing: int | None = 16):
        super().__init__()
        if channels % heads:
            raise ValueError(f"heads must divide the channels: {heads} do not divide {channels}")
        self.blocks = nn.ModuleList(
            SAB(channels, heads) if inducing is None else ISAB(channels, heads, inducing)
            for _ in range(2)
        )
        self.pool = PMA(channels, heads)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        places = (x.shape[2], x.shape[3])
        z = x.flatten(2).transpose(1, 2)
        for block in self.blocks:
            z = block(z, places)
        return self.classifier(self.pool(z, places)[:, 0])
