"""Reinforced self-attention (Shen, Zhou, Long, Jiang, Wang, Zhang 2018, arXiv:1801.10296): parts.

IJCAI 2018. Two selectors decide which tokens attend, the heads, and which are attended to, their
dependents; self-attention connects only these, and one more attention pools the heads. The agent
that is made of these parts is in agents/reinforced.py.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Kept(NamedTuple):
    """What a mask keeps of each image's N tokens, moved together."""

    index: Tensor  # type: ignore[assignment]  # (B, K) int64, K the most of any; (1, N) if all
    weight: Tensor  # (B, K) of these in the mask; 0 of those that fill up a shorter row


def keep(mask: Tensor) -> Kept:
    """(B, N) weights of at least zero -> the tokens whose weight is above zero.

    What is not kept costs nothing from here on, which is what hard attention is for. So shapes
    depend on the mask, and one number is read back to the host.
    """
    chosen = mask > 0
    most = max(1, int(chosen.sum(1).max()))
    if most == mask.shape[1]:
        return Kept(torch.arange(most, device=mask.device)[None], mask)
    index = chosen.byte().argsort(dim=1, descending=True, stable=True)[:, :most]
    return Kept(index, mask.gather(1, index))


def take(tokens: Tensor, kept: Kept) -> Tensor:
    """(B, N, D) -> (B, K, D)."""
    return tokens.gather(1, kept.index[..., None].expand(*kept.weight.shape, tokens.shape[2]))


class Selector(nn.Module):
    """Logits of whether each token is selected: w' relu(W [x_t; mean x; x_t * mean x]).

    (B, N, D) -> (B, N); all tokens at once. prior: the probability of selection to begin with, but
    for what random weights add.
    """

    def __init__(self, features: int, hidden: int, prior: float):
        super().__init__()
        self.hidden, self.logit = nn.Linear(3 * features, hidden), nn.Linear(hidden, 1)
        nn.init.constant_(self.logit.bias, torch.logit(torch.tensor(prior)).item())

    def forward(self, tokens: Tensor) -> Tensor:
        mean = tokens.mean(1, keepdim=True)
        conditioned = torch.cat([tokens, mean.expand_as(tokens), tokens * mean], 2)
        return self.logit(F.relu(self.hidden(conditioned)))[..., 0]


class ReSA(nn.Module):
    """Self-attention of selected heads over selected dependents, and a gate.

    h = elu(W x); s_ij = c tanh((W1 h_i + W2 h_j + b + r_ij) / c) of head j and dependent i, a
    number for each group of features; a_j = sum_i softmax_i(s_ij) h_i over the dependents other
    than j itself, 0 if there is none; u_j = F h_j + (1 - F) a_j, F = sigmoid(V [h_j; a_j]).
    Weights between 0 and 1 of a dependent weigh its exp(s_ij).

    (B, N, D) tokens on a grid of rows x columns, heads and dependents -> (B, K, D), of the heads.
    groups: must divide D.

    Departures: the paper has a score for each feature (groups = features; few of them cost less,
    and do as well here), and runs twice, over the tokens before and after a head; an image has no
    such order. So a learned r of the distance from j to i in rows and columns stands for the masks
    of direction. It begins as a window near j, a different one for each group: from r = 0 this
    hardly learns on digits.
    """

    relative: Tensor

    def __init__(
        self, features: int, rows: int, columns: int, *, groups: int = 8, bound: float = 5.0
    ):
        super().__init__()
        if features % groups:
            raise ValueError(f"{groups} groups do not divide {features} features")
        self.groups, self.bound = groups, bound
        self.tokens = rectified(features, features)
        self.of_dependent = nn.Linear(features, groups, bias=False)
        self.of_head = nn.Linear(features, groups)
        self.gate = nn.Linear(2 * features, features)
        self.distance = nn.Parameter(windows(rows, columns, groups))
        row = torch.arange(rows).repeat_interleave(columns)
        column = torch.arange(columns).repeat(rows)
        down = row - row[:, None] + rows - 1
        across = column - column[:, None] + columns - 1
        self.register_buffer("relative", down * (2 * columns - 1) + across, persistent=False)

    def forward(self, tokens: Tensor, heads: Kept, dependents: Kept) -> Tensor:
        asking, asked = (F.elu(self.tokens(take(tokens, each))) for each in (heads, dependents))
        pair = heads.index[:, :, None], dependents.index[:, None]
        r = F.embedding(self.relative[pair], self.distance).movedim(3, 1)
        one, other = self.of_dependent(asked).mT, self.of_head(asking).mT
        score = one[:, :, None] / self.bound + r / self.bound  # (B, groups, heads, dependents)
        score = torch.tanh(score + other[..., None] / self.bound)
        others = torch.zeros(1, device=r.device).masked_fill(pair[0] == pair[1], -torch.inf)
        # The bound on scores spares the search for the largest.
        weight = torch.add(others[:, None], score, alpha=self.bound).exp()
        value = asked.unflatten(2, (self.groups, -1)).transpose(1, 2)
        value = torch.cat([value, torch.ones_like(value[..., :1])], 3)
        sums = weight @ (value * dependents.weight[:, None, :, None])
        attended = divided(sums[..., :-1], sums[..., -1:]).transpose(1, 2).flatten(2)
        gate = torch.sigmoid(self.gate(torch.cat([asking, attended], 2)))
        return gate * asking + (1 - gate) * attended


class Source2Token(nn.Module):
    """Pools tokens by a weight for each feature: sum_t softmax_t(W elu(V u_t)) u_t.

    (B, K, D) tokens, (B, K) weights, by which each exp is multiplied -> (B, D); 0 if none counts.
    """

    def __init__(self, features: int):
        super().__init__()
        self.hidden, self.score = rectified(features, features), nn.Linear(features, features)

    def forward(self, tokens: Tensor, weight: Tensor) -> Tensor:
        score = self.score(F.elu(self.hidden(tokens)))
        score = score.masked_fill(weight[..., None] == 0, torch.finfo(score.dtype).min)
        share = (score - score.amax(1, keepdim=True)).exp() * weight[..., None]
        return divided((share * tokens).sum(1), share.sum(1))


def divided(sums: Tensor, total: Tensor) -> Tensor:
    """The ratio; 0 where both are, with a gradient that is finite."""
    return sums / torch.where(total > 0, total, 1)


def rectified(inputs: int, outputs: int) -> nn.Linear:
    """A layer whose outputs are to be rectified, with the weights of He et al. (2015)."""
    layer = nn.Linear(inputs, outputs)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)
    return layer


def windows(rows: int, columns: int, groups: int, height: float = 8.0) -> Tensor:
    """((2 rows - 1) * (2 columns - 1), groups): bumps of one cell's width, about nearby distances.

    Each from `height` at its middle, within 1.5 cells of none, down to -`height`.
    """
    down = torch.arange(1.0 - rows, rows)[:, None, None]
    across = torch.arange(1.0 - columns, columns)[:, None]
    y, x = 3 * torch.rand(2, groups) - 1.5
    bump = torch.exp(-((down - y) ** 2 + (across - x) ** 2) / 2)
    return height * (2 * bump - 1).flatten(0, 1)
