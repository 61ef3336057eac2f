"""The enriched deep recurrent attention model (Ablavatski, Lu, Cai 2017, arXiv:1706.03581)."""

import torch
from torch import Tensor, nn

from hardattn.distributions import Delta
from hardattn.nn.heads import later
from hardattn.nn.layers import Core
from hardattn.rollout import Decision
from hardattn.world import Observation

from .dram import Layers, WhatWhere, context_net


class EDRAM(nn.Module):
    """DRAM with an affine glimpse, whose place is decided, not drawn: trained by backpropagation.

    g = G_image(glimpse) * G_loc(A);  r1' = LSTM(g, r1);  r2' = LSTM(r1', r2);  logits = O(r1');
    next A = E(r2'), (B, 6): (x, y, a, b, c, d) of the sensor `Affine`;  r1_0 = 0, and the output
    of r2_0 is C(context), its cell 0. For the estimator `pathwise` and a task that asks after each
    look.

    context: the shape that the world's has, (0,) or (C, h, w). zoom: the share of a side that a
    glimpse covers before anything is learned; give the sensor the same.

    Departures: the paper's squared error between A and the target's box is left out, because an
    agent is shown no box: places are learned from the answers alone. The first place is the
    world's; in the Theano code that was read it comes from E(r2_0). x and y are bounded by tanh and
    the matrix by the world, where that code clips the diagonal to [0, 1]. No batch norm, no
    pooling, one hidden layer before the answer and fewer filters, fit for glimpses of about 12
    pixels (its are 26).

    Args:
        context: Shape of what is told before the first look, (0,) or (C, h, w).
        hidden: Units of the recurrent state.
        features: Units of the glimpse's product of what and where.
        filters: Channels of the first of three convolutions.
        zoom: Share of a side that a glimpse covers at first; give the sensor the same.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        context: tuple[int, ...] = (0,),
        hidden: int = 256,
        features: int = 256,
        filters: int = 16,
        zoom: float = 0.4,
    ):
        super().__init__()
        self.glimpse = WhatWhere(glimpse, 6, features, filters)
        self.lower = Core("lstm", features, hidden)
        self.upper = Core("lstm", hidden, hidden)
        self.context = context_net(tuple(context), hidden, filters)
        self.classifier = nn.Sequential(
            nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, classes)
        )
        self.emission = nn.Linear(hidden, 6)
        with torch.no_grad():
            # Upright and of the given zoom, whatever was seen, or glimpses start out as noise.
            self.emission.weight.mul_(0.1)
            self.emission.bias.copy_(torch.tensor([0.0, 0.0, zoom, 0.0, 0.0, zoom]))

    def start(self, context: Tensor) -> Layers:
        lower, upper = self.lower.start(context), self.upper.start(context)
        if self.context is not None:
            output = self.context(context)
            upper = torch.cat([output, torch.zeros_like(output)], 1)
        return Layers(lower, upper)

    def step(self, state: Layers, seen: Observation) -> tuple[Layers, Decision]:
        lower = self.lower(self.glimpse(seen.glimpse, seen.location), state.lower)
        what = self.lower.output(lower)
        upper = self.upper(what, state.upper)
        affine = self.emission(self.upper.output(upper))
        place = Delta(torch.cat([torch.tanh(affine[:, :2]), affine[:, 2:]], 1))
        nought = torch.zeros_like(seen.step)
        return Layers(lower, upper), Decision(place, later(self.classifier, what), nought, nought)
