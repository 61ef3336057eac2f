"""Differentiable patch selection (Cordonnier et al. 2021, CVPR, arXiv:2104.03059)."""

import torch
from torch import Tensor, nn

from hardattn.distributions.selection import Subset, check_shapes
from hardattn.nn.layers import CellScores, PatchNet
from hardattn.rollout import Decision
from hardattn.world import Observation

EPSILON = 1e-5  # the least spread of scores that they are divided by


class PatchSelection(nn.Module):
    """Scores all cells from a coarse view, looks at the best of them finely, and answers.

    s = CellScores(view), scaled to [0, 1] in each image; the places are the K cells that score
    best; f_k = PatchNet(patch k) + W place_k; answer = MLP(mean_k f_k). For a `Several` sensor, a
    world that tells a coarse view, and two looks: the first is the world's. Made for the estimator
    `perturbed_top_k`, whose gradient reaches the scores through the choice.

    glimpse: (K, C, h, w). context: (C, h, w). grid: rows and columns of cells, the sensor's.

    Departures: small nets for the ResNets of the paper; a mean over patches for its transformer,
    as the paper has where one patch is enough; the order of patches is not told but for their
    places. The released code (google-research/ptopk_patch_selection) propagated a transposed
    Jacobian, as its authors say; here it is held against a numerical one.

    Args:
        context: Shape of the view that is told before the first look, (C, h, w).
        grid: Rows and columns of cells, the sensor's.
        features: Width of what a patch says.
        hidden: Units of the hidden layer of the answer.
        filters: Channels of the convolutions, in patches of the first.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        context: tuple[int, ...],
        grid: tuple[int, int],
        features: int = 64,
        hidden: int = 128,
        filters: int = 16,
    ):
        super().__init__()
        check_shapes("PatchSelection", glimpse, context)
        self.count, self.cells = glimpse[0], grid[0] * grid[1]
        self.scores = CellScores(context[0], grid, filters)
        self.patch = PatchNet(tuple(glimpse[1:]), features, filters)
        self.place = nn.Linear(self.cells, features, bias=False)
        self.answer = nn.Sequential(
            nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, classes)
        )

    def start(self, context: Tensor) -> Tensor:
        """(B, N) scores, from 0 to 1; 0 where nothing is told."""
        if context.dim() < 4:
            return context.new_zeros(len(context), self.cells)
        scores = self.scores(context)
        least, most = scores.aminmax(dim=1, keepdim=True)
        return (scores - least) / (most - least + EPSILON)

    def step(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
        slots = seen.location.unflatten(1, (self.count, -1))
        shown = self.patch(seen.glimpse) + self.place(slots)
        nought = torch.zeros_like(seen.step)
        logits = self.answer(shown.mean(1))
        return state, Decision(Subset(state, self.count), logits, nought, nought)
