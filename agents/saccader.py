"""Saccader (Elsayed, Kornblith & Le 2019, NeurIPS, arXiv:1908.07644)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.distributions import Categorical
from hardattn.nn.layers import CellFeatures
from hardattn.rollout import Decision
from hardattn.world import Observation

VISITED = 1e4  # taken off the logit of a cell that was looked at


class Saccades(NamedTuple):
    """What is carried from look to look."""

    votes: Tensor  # (B, N, K) answers of the cells, each by itself, made once
    mixed: Tensor  # (B, N, M) what and where they are, made once
    visited: Tensor  # (B, N) how often each was looked at


class Saccader(nn.Module):
    """Answers by the mean vote of the cells that it looks at, and looks at each but once.

    Features a_n of cells know a cell and a little around it, or as many cells to each side as are
    asked for, and no more: a bag of local features, whose votes are v_n = V a_n. An attention net
    on their grid makes m_n of them. The cell of the saccader, which remembers where it was:
    w = softmax_n(q' m_n / sqrt(M) - visited), c = softmax_d(sum_n w_n m_n), and the next look is
    drawn by softmax_n(c' m_n - visited). The answer is the mean vote of all looks so far; at the
    first look, which is the world's, that of all cells, which is the bag's own.

    Made for a world that tells the whole image, the sensor `cells`, and the estimator
    `three_phases`: first the bag learns, then the policy learns to look at cells in the order in
    which they vote for what the bag says (`taught`), then both by REINFORCE.

    glimpse: the shape of one cell. context: of the whole image. grid: rows and columns of cells.

    Departures: a small net for BagNet-77, whose fields are a third of the image wide; two layers of
    attention net, for four, and none is normalised. Features are not moved by the policy. In the
    second phase the policy is taught along the order that it is to learn, for its own draws; so no
    cell that it is to name was looked at already. REINFORCE sets episodes of a scene against each
    other and not against the mean reward of a batch, and is paid by the cross-entropy.

    Args:
        context: Shape of what is told before the first look, (C, h, w).
        grid: Rows and columns of cells, the sensor's.
        features: Width of what a cell is turned into.
        mixed: Width of what is looked for.
        around: Cells to each side that a feature sees beside its own.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        context: tuple[int, ...],
        grid: tuple[int, int],
        features: int = 64,
        mixed: int = 64,
        around: int = 0,
    ):
        super().__init__()
        if around < 0:
            raise ValueError(f"a feature sees 0 cells around its own or more, not {around}")
        self.grid = grid
        self.encoder = CellFeatures(context, tuple(glimpse[1:]), features)
        wider = [nn.Conv2d(features, features, 3, padding=1) for _ in range(around)]
        self.around = nn.Sequential(*(part for each in wider for part in (each, nn.ReLU())))
        self.vote = nn.Linear(features, classes)
        half = max(1, features // 2)
        self.where = nn.Sequential(
            nn.Conv2d(features, half, 1),
            nn.ReLU(),
            nn.Conv2d(half, half, 3, padding=2, dilation=2),
            nn.ReLU(),
        )
        self.mixed = nn.Linear(features + half, mixed)
        self.sought = nn.Linear(mixed, 1, bias=False)

    def start(self, context: Tensor) -> Saccades:
        features = self.encoder(context)
        if len(self.around):
            features = self.around(features.mT.unflatten(2, self.grid)).flatten(2).mT
        apart = features.detach()  # what is looked for moves no feature
        where = self.where(apart.mT.unflatten(2, self.grid)).flatten(2).mT
        mixed = self.mixed(torch.cat([apart, where], 2))
        return Saccades(self.vote(features), mixed, torch.zeros_like(features[..., 0]))

    def step(self, state: Saccades, seen: Observation) -> tuple[Saccades, Decision]:
        chosen = (seen.step > 0)[:, None]
        state = state._replace(visited=state.visited + seen.location * chosen)
        alike = torch.full_like(state.visited, 1 / state.visited.shape[1])
        each = state.visited / state.visited.sum(1, keepdim=True).clamp_min(1)
        shares = torch.where(chosen, each, alike)
        logits = (shares[:, None] @ state.votes)[:, 0]
        nought = torch.zeros_like(seen.step)
        return state, Decision(Categorical(self.scores(state)), logits, nought, nought)

    def scores(self, state: Saccades) -> Tensor:
        """(B, N): logits of the next look."""
        taken = VISITED * state.visited.clamp_max(1)
        space = self.sought(state.mixed)[..., 0] / state.mixed.shape[-1] ** 0.5 - taken
        channels = (space.softmax(1)[:, None] @ state.mixed).softmax(2)
        return (channels @ state.mixed.mT)[:, 0] - taken

    def taught(self, state: Saccades) -> Tensor:
        """(B, N), one-hot: the cell that votes most for what all cells together answer.

        Of those that were not looked at yet.
        """
        said = state.votes.mean(1).argmax(1)
        votes = state.votes.gather(2, said[:, None, None].expand(-1, state.votes.shape[1], 1))
        left = votes[..., 0].detach() - VISITED * state.visited.clamp_max(1)
        return F.one_hot(left.argmax(1), left.shape[1]).to(left.dtype)
