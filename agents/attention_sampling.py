"""Attention sampling (Katharopoulos & Fleuret 2019, ICML, arXiv:1905.03711)."""

import math

import torch
from torch import Tensor, nn

from hardattn.distributions.selection import Subset, check_shapes
from hardattn.nn.layers import CellScores, PatchNet
from hardattn.rollout import Decision
from hardattn.world import Observation


class AttentionSampling(nn.Module):
    """Soft attention over all patches, estimated from a few that are drawn by that attention.

    a = softmax(CellScores(view)); f_n = PatchNet(patch n); answer = W psi, psi an estimate of
    sum_n a_n f_n from K patches that are drawn by a. With replacement psi = 1/K sum_t f_t. Without,
    psi is the mean over t of sum_{s<t} a_s f_s + (1 - sum_{s<t} a_s) f_t: what was drawn before
    counts as it is, and the last for all that is left. Each f_t is multiplied by a_t over the same
    a_t without its gradient, so that the gradient of psi, in the attention as in the features, is
    without bias as well (`shares`). In evaluation, where nothing is drawn, psi is the mean of the K
    likeliest patches, weighed by a.

    Charges entropy * (log N - H(a)) once, which keeps attention spread. For a `Several` sensor, a
    world that tells a coarse view, and two looks: the first is the world's. Made for the estimator
    `attention_sampling`.

    glimpse: (K, C, h, w). context: (C, h, w). grid: rows and columns of cells, the sensor's.

    Departures: cells of a grid for every pixel of the view; small nets, features that are not
    normalised. The released code (idiap/attention-sampling) draws in evaluation as well.

    Args:
        context: Shape of the view that is told before the first look, (C, h, w).
        grid: Rows and columns of cells, the sensor's.
        features: Width of what a patch says.
        filters: Channels of the convolutions, in patches of the first.
        replacement: Whether a patch can be drawn again.
        entropy: Charged for each nat that the attention is from uniform.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        context: tuple[int, ...],
        grid: tuple[int, int],
        features: int = 64,
        filters: int = 16,
        replacement: bool = False,
        entropy: float = 0.01,
    ):
        super().__init__()
        check_shapes("AttentionSampling", glimpse, context)
        self.count, self.cells = glimpse[0], grid[0] * grid[1]
        self.replacement, self.entropy = replacement, entropy
        self.scores = CellScores(context[0], grid, filters)
        self.patch = PatchNet(tuple(glimpse[1:]), features, filters)
        self.answer = nn.Linear(features, classes)

    def start(self, context: Tensor) -> Tensor:
        """(B, N) log-probabilities of the cells; alike where nothing is told."""
        if context.dim() < 4:
            return context.new_zeros(len(context), self.cells).log_softmax(1)
        return self.scores(context).log_softmax(1)

    def step(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
        alike = torch.full_like(state[:, : self.count], 1 / self.count)
        own = self.shares(state, seen.location.unflatten(1, (self.count, -1)))
        shares = torch.where(seen.step[:, None] == 0, alike, own)
        logits = self.answer((shares[:, None] @ self.patch(seen.glimpse))[:, 0])
        spread = math.log(self.cells) + (state.exp() * state).sum(1)
        cost = self.entropy * spread * (seen.step == 0)
        places = Subset(state, self.count, self.replacement and self.training)
        return state, Decision(places, logits, torch.zeros_like(seen.step), cost)

    def shares(self, state: Tensor, slots: Tensor) -> Tensor:
        """(B, K): what each patch counts, of the cells that it shows, (B, K, N).

        In training the mean over draws of sum_t share_t g(cell t) is sum_n a_n g(n) for every g,
        and so is its gradient; the cells are in the order in which they were drawn.
        """
        chance = (slots * state.exp()[:, None]).sum(-1)
        if not self.training:
            return chance / chance.sum(1, keepdim=True).clamp_min(torch.finfo(chance.dtype).tiny)
        drawn = chance.detach()
        if self.replacement:
            counts = torch.full_like(drawn, 1 / self.count)
        else:
            later = torch.arange(self.count - 1, -1, -1, device=drawn.device)
            before = drawn.cumsum(1) - drawn
            counts = (1 - before + later * drawn) / self.count
        return counts * chance / drawn.clamp_min(torch.finfo(drawn.dtype).tiny)
