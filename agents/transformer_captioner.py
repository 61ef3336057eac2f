"""The Transformer (Vaswani et al. 2017, arXiv:1706.03762) as a captioner of images."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from hardattn.distributions import Delta
from hardattn.maps import AttentionMap, pooled
from hardattn.nn.cells import PlacedCells
from hardattn.nn.words import Said, Words
from hardattn.rollout import Decision
from hardattn.world import Observation


class Heads(nn.Module):
    """softmax(Q K' / sqrt(d)) V of several heads, and W_o. Keys and values are made apart.

    alike: weigh all keys alike, whatever is asked.
    """

    def __init__(self, width: int, heads: int, alike: bool = False):
        super().__init__()
        self.heads, self.alike = heads, alike
        self.query, self.out = nn.Linear(width, width), nn.Linear(width, width)
        self.known = nn.Linear(width, 2 * width)
        self.map = AttentionMap("pooled query", over=(-1,))

    def forward(
        self,
        x: Tensor,
        known: Tensor,
        there: Tensor | None = None,
        grid: tuple[int, int] | None = None,
    ) -> Tensor:
        """(B, Q, D) who ask, (B, N, 2 D) keys and values -> (B, Q, D).

        there: (B, N) bool, which keys there are. grid: of the keys, where they are cells, whose map
        is shown, (B, heads, N), of the one who asks.
        """
        query, key, value = (
            each.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for each in (self.query(x), *known.chunk(2, 2))
        )
        scores = query @ key.transpose(2, 3) / query.shape[3] ** 0.5
        if self.alike:
            scores = torch.zeros_like(scores)
        if there is not None:
            scores = scores.masked_fill(~there[:, None, None], -torch.inf)
        weights = scores.softmax(-1)
        if grid is not None:
            weights = self.map(weights[:, :, 0], density=pooled(*grid))[:, :, None]
        return self.out((weights @ value).transpose(1, 2).flatten(2))


class MLP(nn.Sequential):
    """Two layers for each place by itself, the first rectified."""

    def __init__(self, width: int, middle: int):
        super().__init__(nn.Linear(width, middle), nn.ReLU(), nn.Linear(middle, width))


class EncoderLayer(nn.Module):
    """x + attend(norm(x)), then x + MLP(norm(x)): (B, N, D) -> same."""

    def __init__(self, width: int, heads: int, middle: int):
        super().__init__()
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attend, self.mlp = Heads(width, heads), MLP(width, middle)

    def forward(self, x: Tensor) -> Tensor:
        y = self.before(x)
        x = x + self.attend(y, self.attend.known(y))
        return x + self.mlp(self.between(x))


class DecoderLayer(nn.Module):
    """Attends to the words so far, then to the cells of the image, then an MLP; norms before."""

    def __init__(self, width: int, heads: int, middle: int, alike: bool):
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.own, self.cross = Heads(width, heads), Heads(width, heads, alike)
        self.mlp = MLP(width, middle)

    def forward(
        self, x: Tensor, known: Tensor, look: Tensor, cells: Tensor, grid: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """(B, D) the word, (B, T, 2 D) keys and values of all -> (B, D), and these with its own."""
        y = self.norms[0](x)
        number = torch.arange(known.shape[1], device=x.device)
        here = (number == look[:, None])[..., None]
        known = torch.where(here, self.own.known(y)[:, None], known)
        x = x + self.own(y[:, None], known, number <= look[:, None])[:, 0]
        x = x + self.cross(self.norms[1](x)[:, None], cells, grid=grid)[:, 0]
        return x + self.mlp(self.norms[2](x)), known


class Decoding(NamedTuple):
    """What is carried from look to look."""

    cells: Tensor  # (B, L, N, 2 D) keys and values of the image in each layer, made once
    known: Tensor  # (B, L, T, 2 D) those of the words so far
    said: Said


class TransformerCaptioner(nn.Module):
    """An encoder of cells and a decoder of words, which attends to both: a word a look.

    x = E y + positions; in each of L layers x attends to the words so far, then to the encoded
    cells, then passes an MLP; logits are linear in the last norm of it. Keys and values of words
    are kept in the state, so that a step costs as much as a word does. y is its own word before, in
    training the true one (`hardattn.estimators.taught`).

    It is told the whole image beforehand, and what it looks at is of no account: where it attends
    is inside. Maps: in each layer cross attention, (B, heads, N), of the word that is to be said.

    Departures: the encoder reads cells of an image, which a small net that is learned has seen
    (`PlacedCells`), where the paper's reads words; norms come before, not behind; no dropout, no
    label smoothing; sizes are small (the paper has 6 layers of 512, 8 heads).

    Args:
        context: Shape of what is told before the first look, (0,) or (C, h, w).
        looks: How many looks there are.
        cell: Side of the cells of the image, in pixels.
        width: Width of all vectors.
        layers: Layers of the decoder; the encoder has one.
        heads: How many attend side by side.
        attention: Whether to attend to cells; otherwise to all alike, the control.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        context: tuple[int, ...],
        looks: int,
        cell: int = 8,
        width: int = 64,
        layers: int = 2,
        heads: int = 4,
        attention: bool = True,
    ):
        super().__init__()
        if width % (2 * heads):
            raise ValueError(f"{heads} heads need a width that is a multiple of {2 * heads}")
        self.looks, self.width = looks, width
        self.encoder = PlacedCells(context, (cell, cell), width)
        self.encoding = EncoderLayer(width, heads, 2 * width)
        self.norm_cells, self.norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.layers = nn.ModuleList(
            DecoderLayer(width, heads, 2 * width, not attention) for _ in range(layers)
        )
        self.words = Words(classes, width, 1, looks)
        self.output = nn.Linear(width, classes)

    def start(self, context: Tensor) -> Decoding:
        cells = self.norm_cells(self.encoding(self.encoder(context)))
        keys = torch.stack([layer.cross.known(cells) for layer in self.layers], 1)  # type: ignore
        known = keys.new_zeros(len(keys), len(self.layers), self.looks, 2 * self.width)
        return Decoding(keys, known, self.words.start(keys[:, 0, 0]))

    def step(self, state: Decoding, seen: Observation) -> tuple[Decoding, Decision]:
        look = (seen.step * self.looks).round().long()
        x, after = self.words(state.said) + self.positions(look, seen.step), []
        for number, layer in enumerate(self.layers):
            given = state.known[:, number], look, state.cells[:, number]
            x, known = layer(x, *given, self.encoder.grid)
            after.append(known)
        logits, nought = self.output(self.norm(x)), torch.zeros_like(seen.step)
        said = self.words.after(state.said, logits, seen.step)
        decision = Decision(Delta(torch.zeros_like(seen.location)), logits, nought, nought)
        return Decoding(state.cells, torch.stack(after, 1), said), decision

    def positions(self, look: Tensor, like: Tensor) -> Tensor:
        """(B, D): sines and cosines of the number of the word, as the paper has them."""
        half = self.width // 2
        rate = 10000 ** (-torch.arange(half, device=look.device) / half)
        angle = look[:, None] * rate
        return torch.cat([angle.sin(), angle.cos()], 1).to(like)
