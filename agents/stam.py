"""STAM, sequential transformers attention model (Rangrej, Srinidhi & Clark 2022, CVPR)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from hardattn.distributions import Categorical
from hardattn.nn.heads import Scalar, later
from hardattn.nn.layers import PatchNet
from hardattn.rollout import Decision
from hardattn.world import Observation

VISITED = 1e4  # taken off the logit of a cell that was looked at


class Glimpses(NamedTuple):
    """What is carried from look to look; the latest glimpse is the last row."""

    tokens: Tensor  # (B, T, D)
    taken: Tensor  # (B, T) bool, which rows are glimpses
    visited: Tensor  # (B, N), how often each cell was looked at


class STAM(nn.Module):
    """A transformer over the glimpses so far, which never sees the image (arXiv:2204.00656).

    x_s = PatchNet(glimpse_s) + place_s; f = the class token of a transformer over x_1 ... x_t;
    answer W f. The next look is drawn by softmax over cells that were not looked at yet, of
    v' tanh(U f + e_n), and what is still expected is MLP(f), which moves nothing but itself. Made
    for a grid of `cells`, and for the estimator `full_view_teacher`, whose teacher sees everything
    and is gone in use.

    glimpse: the shape of one cell. grid: rows and columns of cells. looks: of the world. joint: let
    the policy's gradient reach the transformer, as in the paper.

    Departures: a small transformer that begins anew, for DeiT; a glimpse is one token, for four;
    one class token and one answer, for the two that the paper averages; scores of cells are not
    normalised, which the authors do in training alone.

    Args:
        looks: How many looks there are.
        grid: Rows and columns of cells, the sensor's.
        features: Width of the transformer.
        layers: Of the transformer.
        heads: How many attend side by side.
        hidden: Units by which cells are scored, and of the critic.
        filters: Channels of the first convolution of a glimpse.
        joint: Let the policy's gradient train the transformer as well.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        looks: int,
        grid: tuple[int, int],
        features: int = 64,
        layers: int = 2,
        heads: int = 4,
        hidden: int = 64,
        filters: int = 16,
        joint: bool = False,
    ):
        super().__init__()
        if len(glimpse) != 3:
            raise ValueError(f"STAM looks at cells: choose that sensor, not {tuple(glimpse)}")
        if features % heads:
            raise ValueError(f"heads must divide the features: {heads} do not divide {features}")
        self.looks, self.cells, self.joint = looks, grid[0] * grid[1], joint
        self.patch = PatchNet(tuple(glimpse), features, filters)
        self.place = nn.Linear(self.cells, features, bias=False)
        self.token = nn.Parameter(torch.randn(features) / features**0.5)
        self.layers = nn.ModuleList(MaskedLayer(features, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(features)
        self.answer = nn.Linear(features, classes)
        self.candidates = nn.Parameter(torch.randn(self.cells, hidden) / hidden**0.5)
        self.query = nn.Linear(features, hidden)
        self.score = nn.Linear(hidden, 1, bias=False)
        self.critic = nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), Scalar(hidden))

    def start(self, context: Tensor) -> Glimpses:
        batch = context.shape[0]
        tokens = context.new_zeros(batch, self.looks, self.norm.normalized_shape[0])
        taken = torch.zeros_like(tokens[..., 0], dtype=torch.bool)
        return Glimpses(tokens, taken, context.new_zeros(batch, self.cells))

    def step(self, state: Glimpses, seen: Observation) -> tuple[Glimpses, Decision]:
        token = self.patch(seen.glimpse[:, None]) + self.place(seen.location)[:, None]
        taken = torch.cat([state.taken[:, 1:], torch.ones_like(state.taken[:, :1])], 1)
        tokens = torch.cat([state.tokens[:, 1:], token], 1)
        state = Glimpses(tokens, taken, state.visited + seen.location)
        x = torch.cat([tokens, self.token.expand(token.shape[0], 1, -1)], 1)
        there = torch.cat([taken, torch.ones_like(taken[:, :1])], 1)
        for layer in self.layers:
            x = layer(x, there)
        known = self.norm(x[:, -1])
        value = later(self.critic, known.detach())
        place = Categorical(self.scores(known if self.joint else known.detach(), state.visited))
        nought = torch.zeros_like(seen.step)
        return state, Decision(place, later(self.answer, known), value, nought)

    def scores(self, known: Tensor, visited: Tensor) -> Tensor:
        """(B, D), (B, N) -> (B, N): logits of the next look."""
        asked = torch.tanh(self.candidates + self.query(known)[:, None])
        return self.score(asked)[..., 0] - VISITED * visited.clamp_max(1)


class MaskedLayer(nn.Module):
    """x + attend(norm(x)), then x + MLP(norm(x)), where nothing attends to what is not there.

    (Vaswani et al. 2017, arXiv:1706.03762.) (B, S, D), (B, S) bool of what is there -> (B, S, D).
    """

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in self.project(self.before(x)).chunk(3, 2)
        )
        logits = query @ key.mT / query.shape[3] ** 0.5
        weights = logits.masked_fill(~there[:, None, None], -torch.inf).softmax(-1)
        x = x + self.out((weights @ value).transpose(1, 2).flatten(2))
        return x + self.mlp(self.between(x))
