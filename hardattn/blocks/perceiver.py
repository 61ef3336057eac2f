"""Perceiver (Jaegle, Gimeno, Brock, Zisserman, Vinyals, Carreira 2021, arXiv:2103.03206)."""

import math

import torch
from torch import Tensor, nn

from hardattn.maps import AttentionMap, pooled


def fourier_positions(like: Tensor, bands: int) -> Tensor:
    """(N, 2 (2 bands + 1)): y and x in [-1, 1], and sines and cosines of pi f y and pi f x.

    f: `bands` frequencies from 1 to the Nyquist frequency of that side, at equal distances.
    like: (B, C, H, W), places go row by row.
    """

    def line(side: int) -> Tensor:
        place = (torch.arange(side, dtype=like.dtype, device=like.device) + 0.5) * 2 / side - 1
        wave = torch.linspace(1, max(1, side / 2), bands, dtype=like.dtype, device=like.device)
        angle = math.pi * place[:, None] * wave
        return torch.cat([place[:, None], angle.sin(), angle.cos()], 1)

    rows, columns = like.shape[2:]
    y = line(rows)[:, None].expand(-1, columns, -1)
    x = line(columns)[None].expand(rows, -1, -1)
    return torch.cat([y, x], 2).flatten(0, 1)


class Attend(nn.Module):
    """x + attend(LN(x), LN(y)), then x + MLP(LN(x)). (B, X, D), (B, Y, E) -> (B, X, D).

    Map: of a few that ask places, (B, heads * X, Y); otherwise (B, heads, X, Y). `places`: (height,
    width) of the answering ones where they are places. Keys have no bias: it would cancel in the
    softmax. The MLP is as wide as its input, as in the authors' code.
    """

    def __init__(self, width: int, other: int, heads: int, *, few: bool = False):
        super().__init__()
        self.heads, self.few = heads, few
        self.norm, self.other, self.between = (nn.LayerNorm(n) for n in (width, other, width))
        self.query, self.key = nn.Linear(width, width), nn.Linear(other, width, bias=False)
        self.value, self.out = nn.Linear(other, width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
        self.map = AttentionMap("pooled query" if few else "pairwise", over=(-1,))

    def forward(self, x: Tensor, y: Tensor, places: tuple[int, int] | None = None) -> Tensor:
        y = self.other(y)
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in (self.query(self.norm(x)), self.key(y), self.value(y))
        )
        weights = (query @ key.transpose(2, 3) / query.shape[3] ** 0.5).softmax(-1)
        if self.few:
            density = None if places is None else pooled(*places)
            weights = self.map(weights.flatten(1, 2), density=density)
            weights = weights.unflatten(1, (self.heads, -1))
        else:
            weights = self.map(weights)
        x = x + self.out((weights @ value).transpose(1, 2).flatten(2))
        return x + self.mlp(self.between(x))


class Perceiver(nn.Module):
    """A few learned latents ask all places, then each other, `rounds` times with shared weights.

    (B, C, H, W) -> (B, K), linear in the mean latent. Maps, of each round: of the latents over
    places, (B, latents, N), one head; then of the latents over themselves, (B, heads, latents,
    latents), which is not about places. A place is its features with `bands` Fourier features of
    its position beside them. layers: of self-attention among latents in a round.

    Departures: far smaller than the paper's 512 latents of 1024, 8 rounds of 6 layers and 64 bands,
    and latents are as wide as the features. Rounds share all weights; the paper's best has those
    of the first cross-attention apart. No dropout. Defaults of the paper are from memory.

    Args:
        latents: Vectors that ask.
        rounds: How often it is repeated.
        layers: Of self-attention in a round.
        heads: How many attend side by side.
        bands: Frequencies that say where a place is.
    """

    placement = "pooling"

    def __init__(
        self,
        channels: int,
        classes: int,
        *,
        latents: int = 16,
        rounds: int = 2,
        layers: int = 2,
        heads: int = 4,
        bands: int = 4,
    ):
        super().__init__()
        if channels % heads:
            raise ValueError(f"heads must divide the channels: {heads} do not divide {channels}")
        self.rounds, self.bands = rounds, bands
        self.latents = nn.Parameter(torch.empty(1, latents, channels))
        nn.init.trunc_normal_(self.latents, std=0.02)
        self.cross = Attend(channels, channels + 2 * (2 * bands + 1), 1, few=True)
        self.among = nn.ModuleList(Attend(channels, channels, heads) for _ in range(layers))
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        positions = fourier_positions(x, self.bands).expand(x.shape[0], -1, -1)
        places = torch.cat([x.flatten(2).transpose(1, 2), positions], 2)
        latents = self.latents.expand(x.shape[0], -1, -1)
        for _ in range(self.rounds):
            latents = self.cross(latents, places, (x.shape[2], x.shape[3]))
            for layer in self.among:
                latents = layer(latents, latents)
        return self.classifier(latents.mean(1))
