"""Dynamic capacity networks (Almahairi et al. 2016, ICML, arXiv:1511.07838)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.distributions import Delta
from hardattn.distributions.selection import Subset, check_shapes
from hardattn.nn.layers import PatchNet
from hardattn.rollout import Decision
from hardattn.world import Observation


class TopLayers(nn.Module):
    """What answers from a map of features: W max_ij relu(conv(map)), (B, D, r, c) -> (B, classes).

    How the entropy of its answer depends on the map is worked out here in plain tensors, so that
    it is had where no gradients are kept, and stands in an exported graph.
    """

    def __init__(self, features: int, classes: int):
        super().__init__()
        self.convolution = nn.Conv2d(features, features, 3, padding=1)
        self.answer = nn.Linear(features, classes)

    def forward(self, cells: Tensor) -> Tensor:
        return self.answer(self.convolution(cells).relu().amax((2, 3)))

    @torch.no_grad()
    def entropy_gradient(self, cells: Tensor) -> Tensor:
        """(B, D, r, c): dH / d cells, H the entropy of the answer in nats.

        dH / d logit_k = -p_k (log p_k + H); each channel hands it to the place of its maximum, or
        in equal parts to all that are as large, and the convolution goes back to its input.
        """
        before = self.convolution(cells)
        most = before.amax((2, 3), keepdim=True)
        logs = self.answer(most.relu().flatten(1)).log_softmax(1)
        chance = logs.exp()
        entropy = -(chance * logs).sum(1, keepdim=True)
        channel = (-chance * (logs + entropy)) @ self.answer.weight
        there = ((before == most) & (most > 0)).to(before.dtype)
        share = there / there.sum((2, 3), keepdim=True).clamp_min(1)
        return F.conv_transpose2d(
            channel[:, :, None, None] * share, self.convolution.weight, padding=1
        )


class DynamicCapacity(nn.Module):
    """Coarse features of the whole, fine ones where the coarse answer's entropy depends on them.

    c = coarse(view), a vector for each cell of a grid; s_ij = ||d H(g(c)) / d c_ij||, H the entropy
    of the answer g(c). The places are the K cells of largest s, and are not drawn; of the patch
    that lies there the fine layers make f_k, which take the place of c there, and the answer is g
    of that map. So no gradient passes the choice and none is asked for: any estimator without a
    pathwise gradient trains it, as `reinforce` does, which has nothing to reinforce.

    Charges hint * mean_k ||c_k - f_k||^2 at the look at patches, which moves the coarse layers
    alone, towards what the fine ones found. For a `Several` sensor, a world that tells a view of
    the image, and two looks: at the first, which is the world's, the answer is the coarse one.

    glimpse: (K, C, h, w). context: (C, h, w). grid: rows and columns of cells, the sensor's.

    Departures: the coarse layers read the view that they are told, not every pixel by strides; the
    nets are small and have no batch norm; the hint does not move the fine layers.

    Args:
        context: Shape of the view that is told before the first look, (C, h, w).
        grid: Rows and columns of cells, the sensor's.
        features: Width of what a cell says, coarse or fine.
        filters: Channels of the first convolutions.
        hint: Charged for each unit of squared distance between coarse and fine features.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        context: tuple[int, ...],
        grid: tuple[int, int],
        features: int = 48,
        filters: int = 16,
        hint: float = 0.01,
    ):
        super().__init__()
        check_shapes("DynamicCapacity", glimpse, context)
        if hint < 0:
            raise ValueError(f"a hint costs nothing or more, not {hint}")
        self.count, self.grid, self.features, self.hint = glimpse[0], grid, features, hint
        self.coarse = nn.Sequential(
            nn.Conv2d(context[0], filters, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(filters, features, 3, padding=1),
            nn.ReLU(),
        )
        self.fine = PatchNet(tuple(glimpse[1:]), features, filters)
        self.top = TopLayers(features, classes)

    def start(self, context: Tensor) -> Tensor:
        """(B, D, rows, columns): the coarse features; 0 where nothing is told."""
        if context.dim() < 4:
            return context.new_zeros(context.shape[0], self.features, *self.grid)
        return F.adaptive_avg_pool2d(self.coarse(context), self.grid)

    def step(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
        slots = seen.location.unflatten(1, (self.count, -1))
        slots = slots * (seen.step > 0)[:, None, None]
        coarse, fine = state.flatten(2), self.fine(seen.glimpse).mT
        # Cells of which there is a patch are left out, and come back as it shows them.
        left = 1 - slots.sum(1, keepdim=True)
        logits = self.top((coarse * left + fine @ slots).unflatten(2, self.grid))
        apart = coarse @ slots.mT - fine.detach() * slots.sum(2)[:, None]
        cost = self.hint * (apart**2).sum(1).mean(1)
        nought = torch.zeros_like(seen.step)
        saliency = self.saliency(state)
        places = Subset(saliency, self.count)
        return state, Decision(Delta(places.mode), logits, nought, cost)

    def saliency(self, state: Tensor) -> Tensor:
        """(B, N): how far the entropy of the coarse answer depends on each cell."""
        return torch.linalg.vector_norm(self.top.entropy_gradient(state).flatten(2), dim=1)
