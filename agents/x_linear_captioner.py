"""The X-linear captioner (Pan, Yao, Li, Mei 2020, arXiv:2003.14080)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.blocks.x_linear import BilinearPooling, XLinear
from hardattn.distributions import Delta
from hardattn.nn.cells import PlacedCells
from hardattn.nn.layers import Core
from hardattn.nn.words import Said, Words
from hardattn.rollout import Decision
from hardattn.world import Observation


class Pooling(NamedTuple):
    """What is carried from look to look."""

    cells: Tensor  # (B, D, h, w) encoded, made once
    told: Tensor  # (B, D) what was made of the last word's attention
    core: Tensor
    said: Said


class XLinearCaptioner(nn.Module):
    """An encoder of X-linear attention, and an LSTM that asks by X-linear attention: a word a look.

    h' = LSTM([E y; mean of cells + c], h); v = the bilinear pooling of the cells by the query
    W h'; c' = GLU(W [v; h']); logits are linear in c'. The pooling multiplies places and query,
    weighs places by a softmax and channels by a gate (`hardattn.blocks.x_linear`). y is its own
    word before, in training the true one (`hardattn.estimators.taught`).

    It is told the whole image beforehand, and what it looks at is of no account: where it attends
    is inside. Maps: those of the pooling, at each word, (B, heads, N) and (B, D).

    Departures: features are those of a small net that is learned, `PlacedCells`, for a detector's
    regions; what the LSTM is told of the image is the mean of the encoded cells, where the paper
    has a normed linear layer of the mean of cells before they are encoded and of the poolings of
    all layers, and has such a layer of query and pooling before W as well; one layer of encoder,
    for 4; cross-entropy alone, without the training by CIDEr that
    follows in the paper; no dropout; sizes are small (the paper has 1024).

    Args:
        context: Shape of what is told before the first look, (0,) or (C, h, w).
        looks: How many looks there are.
        cell: Side of the cells of the image, in pixels.
        width: Width of all vectors.
        heads: How many attend side by side.
        attention: Whether to attend; otherwise the mean of cells is told, the control.
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
        heads: int = 4,
        attention: bool = True,
    ):
        super().__init__()
        if width % heads:
            raise ValueError(f"{heads} heads do not divide a width of {width}")
        self.attention = attention
        self.encoder = PlacedCells(context, (cell, cell), width)
        self.encoding = XLinear(width, heads=heads) if attention else nn.Identity()
        self.core = Core("lstm", 2 * width, width)
        self.query = nn.Linear(width, width)
        self.pool = BilinearPooling(width, heads) if attention else nn.Identity()
        self.join = nn.Linear(2 * width, 2 * width)
        self.words = Words(classes, width, 1, looks)
        self.output = nn.Linear(width, classes)

    def start(self, context: Tensor) -> Pooling:
        cells = self.encoder(context).transpose(1, 2).unflatten(2, self.encoder.grid)
        cells = self.encoding(cells)
        mean = cells.mean((2, 3))
        return Pooling(cells, torch.zeros_like(mean), self.core.start(mean), self.words.start(mean))

    def step(self, state: Pooling, seen: Observation) -> tuple[Pooling, Decision]:
        mean = state.cells.mean((2, 3))
        core = self.core(torch.cat([self.words(state.said), mean + state.told], 1), state.core)
        h = self.core.output(core)
        shown = self.query(h) + mean
        if self.attention:
            shown = self.pool(state.cells, self.query(h))
        told = F.glu(self.join(torch.cat([shown, h], 1)))
        logits, nought = self.output(told), torch.zeros_like(seen.step)
        said = self.words.after(state.said, logits, seen.step)
        decision = Decision(Delta(torch.zeros_like(seen.location)), logits, nought, nought)
        return Pooling(state.cells, told, core, said), decision
