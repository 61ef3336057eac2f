"""Iterative patch selection (Bergner, Lippert & Mahendran 2023, ICLR, arXiv:2210.13007)."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hardattn.distributions import Delta
from hardattn.evaluation.swap import raster_point
from hardattn.nn.layers import PatchNet
from hardattn.rollout import Decision
from hardattn.world import Observation


class Memory(NamedTuple):
    """The M patches that were attended to most so far."""

    patches: Tensor  # (B, M, C, p, p)
    places: Tensor  # (B, M, 2) their centres
    scores: Tensor  # (B, M); -inf of a place that is still empty
    looked: Tensor | tuple[()]  # (B, t), of which only t is read, the looks over; in training alone


class IterativePatchSelection(nn.Module):
    """Goes over the image window by window, and keeps the M patches that it attends to most.

    A window is cut into patches of p x p; f = PatchNet(patch) + W place; the score of a patch is
    q' K f, of a learned query q. The M best of those that are kept and those that are new are kept,
    and no gradient is made of that. After the last window the answer is MLP(sum_m softmax_m(q' K
    f_m) V f_m), from which all weights learn. So memory depends on M, p and the window, and neither
    on how large the image is nor on how many looks it takes. After each window before the last it
    answers too, without a gradient: it is asked at the end (each=False), and takes no curriculum of
    looks.

    For a `Retina` of one scale and a world of n * n + 1 looks: the first is the world's and nothing
    of it is kept; the others go line by line over n x n windows. Its places are not drawn, so that
    any estimator without a pathwise gradient trains it, as `reinforce` does.

    glimpse: (C, G, G), of which p is a divisor. looks: of the world.

    Departures: one query and one head for a transformer of several; a small net for the ResNet;
    a patch is encoded once when it comes and once in the end, and a score that is kept is not
    worked out anew, as it cannot change while the weights do not; places are centres, linearly
    embedded.

    Args:
        looks: Looks of the world.
        patch: Side of a patch in pixels, p.
        kept: Patches that are kept, M.
        features: Width of what a patch says.
        hidden: Units of the hidden layer of the answer.
        filters: Channels of the first convolution of a patch.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        looks: int,
        patch: int = 8,
        kept: int = 4,
        features: int = 64,
        hidden: int = 128,
        filters: int = 16,
    ):
        super().__init__()
        if len(glimpse) != 3 or glimpse[1] % patch or glimpse[2] % patch or kept < 1:
            raise ValueError(
                f"windows of {tuple(glimpse)} are not cut into patches of {patch}x{patch} of which "
                f"{kept} are kept: choose a patch that divides them, and at least 1"
            )
        self.shape, self.side = (glimpse[0], patch, patch), patch
        self.looks, self.kept = looks, kept
        rows, columns = glimpse[1] // patch, glimpse[2] // patch
        # From the middle of a window to those of its patches, in halves of a window.
        y = (torch.arange(rows) + 0.5) / rows * 2 - 1
        x = (torch.arange(columns) + 0.5) / columns * 2 - 1
        apart = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).flatten(0, 1)
        self.register_buffer("apart", apart / max(1, math.ceil((looks - 1) ** 0.5)))
        self.apart: Tensor
        self.patch = PatchNet(self.shape, features, filters)
        self.place = nn.Linear(2, features, bias=False)
        self.score = nn.Linear(features, 1, bias=False)  # q' K
        self.value = nn.Linear(features, features)
        self.answer = nn.Sequential(
            nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, classes)
        )

    def start(self, context: Tensor) -> Memory:
        count = context.shape[0]  # a graph has no length
        return Memory(
            context.new_zeros(count, self.kept, *self.shape),
            context.new_zeros(count, self.kept, 2),
            context.new_full((count, self.kept), -torch.inf),
            context.new_zeros(count, 0) if self.training else (),
        )

    def step(self, state: Memory, seen: Observation) -> tuple[Memory, Decision]:
        over = state.looked.shape[1] if isinstance(state.looked, Tensor) else 0
        last = over + 1 == self.looks
        with torch.no_grad():
            state = self._keep(state, seen)
        with torch.set_grad_enabled(torch.is_grad_enabled() and last):
            logits = self._answered(state)
        done = torch.round(seen.step * self.looks)
        place = raster_point(done.clamp(max=max(0, self.looks - 2)), max(1, self.looks - 1))
        nought = torch.zeros_like(seen.step)
        return state, Decision(Delta(place.to(seen.location)), logits, nought, nought)

    def scored(self, features: Tensor) -> Tensor:
        """(B, N, D) -> (B, N): how much each patch is attended to, as a logit."""
        return self.score(features)[..., 0] / features.shape[-1] ** 0.5

    def _encoded(self, patches: Tensor, places: Tensor) -> Tensor:
        return self.patch(patches) + self.place(places)

    def _keep(self, state: Memory, seen: Observation) -> Memory:
        """The best of what was kept and of a window."""
        cut = seen.glimpse.unflatten(2, (-1, self.side)).unflatten(4, (-1, self.side))
        patches = cut.permute(0, 2, 4, 1, 3, 5).flatten(1, 2)
        places = seen.location[:, None] + self.apart
        scores = self.scored(self._encoded(patches, places))
        scores = scores.masked_fill((seen.step == 0)[:, None], -torch.inf)
        every = torch.cat([state.scores, scores], 1)
        scores, best = every.topk(self.kept, 1)
        places = torch.cat([state.places, places], 1)
        patches = torch.cat([state.patches, patches], 1).flatten(2)
        patches = patches.gather(1, best[..., None].expand(-1, -1, patches.shape[2]))
        places = places.gather(1, best[..., None].expand(-1, -1, 2))
        looked = state.looked
        if isinstance(looked, Tensor):
            looked = torch.cat([looked, seen.step[:, None]], 1)
        return Memory(patches.unflatten(2, self.shape), places, scores, looked)

    def _answered(self, state: Memory) -> Tensor:
        features = self._encoded(state.patches, state.places)
        there = state.scores > -torch.inf
        score = self.scored(features)
        weight = score.masked_fill(~there, torch.finfo(score.dtype).min).softmax(1) * there
        return self.answer((weight[:, None] @ self.value(features))[:, 0])
