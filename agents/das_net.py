"""dasNet: a trained network that attends to its own filters (Stollenga et al. 2014, NIPS)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.distributions import Delta
from hardattn.rollout import Decision
from hardattn.world import Observation


class GatedMaxout(nn.Module):
    """A convolutional maxout network whose maps are multiplied by gates.

    (Goodfellow et al. 2013, arXiv:1302.4389.) Each of three layers is the larger of two
    convolutions, times a gate for each of its maps, then the largest of 2x2 places; the first is
    5x5 and halves the sides, the others are 3x3. The answer is linear in the mean over places.
    There is no norm, so that nothing in it moves while it is frozen.
    (B, C, H, W) images, (B, M) gates -> (B, classes) logits, (B, M) mean activations.
    """

    def __init__(self, channels: int, classes: int, filters: int):
        super().__init__()
        self.maps = [filters, 2 * filters, 4 * filters]
        before = [channels, *self.maps]
        self.layers = nn.ModuleList(
            nn.Conv2d(a, 2 * b, *kind)
            for a, b, kind in zip(
                before, self.maps, ((5, 2, 2), (3, 1, 1), (3, 1, 1)), strict=False
            )
        )
        self.answer = nn.Linear(self.maps[-1], classes)

    def forward(self, image: Tensor, gates: Tensor) -> tuple[Tensor, Tensor]:
        x, means = image, []
        for layer, gate in zip(self.layers, gates.split(self.maps, 1), strict=True):
            x = layer(x).unflatten(1, (-1, 2)).amax(2) * gate[:, :, None, None]
            means.append(x.mean((2, 3)))
            x = F.max_pool2d(x, 2, ceil_mode=True)
        return self.answer(x.mean((2, 3))), torch.cat(means, 1)


class DasNet(nn.Module):
    """Goes over the image several times, and gates its filters by what they did the last time.

    o_t = [mean activation of each map; softmax of the answer]; gates_{t+1} = M softmax(theta o_t),
    of M maps, so that the mean gate is 1; at the first pass all are 1, and the answer is that of
    the base alone. theta begins at 0, where all passes are the first. (arXiv:1407.3068.) For a
    `Whole` sensor; a look is a pass, and its place means nothing. Made for the estimator
    `frozen_base`: first the base learns by itself, then it is frozen and theta evolves. Nothing is
    cut, so that estimators by backpropagation train both at once.

    glimpse: (C, H, W), the shape of what a `Whole` sensor shows.

    Departures: a base of three layers without dropout for the maxout network of five; theta has a
    bias; details that were not at hand are choices.

    Args:
        filters: Maps of the first layer; the second has twice, and the third four times as many.
    """

    def __init__(self, glimpse: tuple[int, ...], classes: int, *, filters: int = 8):
        super().__init__()
        if len(glimpse) != 3:
            raise ValueError(
                f"DasNet goes over images (C, H, W), not {tuple(glimpse)}: use the sensor 'whole'"
            )
        self.base = GatedMaxout(glimpse[0], classes, filters)
        self.maps = sum(self.base.maps)
        self.policy = nn.Linear(self.maps + classes, self.maps)
        nn.init.zeros_(self.policy.weight)
        nn.init.zeros_(self.policy.bias)

    def start(self, context: Tensor) -> Tensor:
        """(B, M): the gates of the first pass."""
        return context.new_ones(context.shape[0], self.maps)

    def step(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
        logits, means = self.base(seen.glimpse, state)
        observed = torch.cat([means, logits.softmax(1)], 1)
        gates = self.maps * self.policy(observed).softmax(1)
        nought = torch.zeros_like(seen.step)
        place = Delta(torch.zeros_like(seen.location))
        return gates, Decision(place, logits, nought, nought)
