"""The deep recurrent attention model (Ba, Mnih, Kavukcuoglu 2015, arXiv:1412.7755)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.distributions import Gaussian
from hardattn.nn.heads import Scalar, answering, later
from hardattn.nn.layers import Core
from hardattn.rollout import Decision
from hardattn.world import Observation

from .narrowing import Narrowing


class WhatWhere(nn.Module):
    """What times where: g = relu(Lin(convs(glimpse))) * relu(Lin(place)).

    convs: three of 3x3, of `filters`, `filters` and 2 `filters` channels, without pooling.
    (B, C, G, G) glimpses, (B, P) places -> (B, features).
    """

    def __init__(self, glimpse: tuple[int, ...], places: int, features: int, filters: int):
        super().__init__()
        channels, height, width = glimpse
        self.convs = nn.Sequential(
            nn.Conv2d(channels, filters, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(filters, filters, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(filters, 2 * filters, 3, padding=1),
            nn.ReLU(),
        )
        self.what = nn.Linear(2 * filters * height * width, features)
        self.where = nn.Linear(places, features)
        for layer in (*self.convs, self.what):
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
        # At first every place lets everything through: products of small numbers learn nothing.
        nn.init.ones_(self.where.bias)

    def forward(self, glimpse: Tensor, place: Tensor) -> Tensor:
        what = F.relu(self.what(self.convs(glimpse).flatten(1)))
        return what * F.relu(self.where(place))


class ContextNet(nn.Module):
    """Three convolutions of a coarse image, the last two of stride 2, and a linear layer.

    (B, C, h, w) -> (B, outputs).
    """

    def __init__(self, context: tuple[int, ...], outputs: int, filters: int):
        super().__init__()
        self.convs = nn.Sequential(
            nn.Conv2d(context[0], filters, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(filters, filters, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(filters, 2 * filters, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
        )
        with torch.no_grad():
            features = self.convs(torch.zeros(1, *context)).shape[1]
        self.state = nn.Linear(features, outputs)

    def forward(self, context: Tensor) -> Tensor:
        return self.state(self.convs(context))


class Layers(NamedTuple):
    """The states of the two stacked LSTMs, each (B, 2 * hidden): output and cell."""

    lower: Tensor
    upper: Tensor


def context_net(context: tuple[int, ...], outputs: int, filters: int) -> ContextNet | None:
    """The net for contexts of that shape; None where the world tells nothing, (0,)."""
    if context == (0,):
        return None
    if len(context) != 3:
        raise ValueError(f"a context must be an image (C, h, w), or nothing, (0,), not {context}")
    return ContextNet(context, outputs, filters)


class DRAM(Narrowing):
    """Two stacked LSTMs: the lower one answers, the upper one, told the context, says where.

    g = G_image(glimpse) * G_loc(place);  r1' = LSTM(g, r1);  r2' = LSTM(r1', r2);
    logits = O(r1'), (B, K);  next place ~ N(E(r2'), std^2), (B, 2);  r1_0 = 0, r2_0 = C(context).
    The context reaches the answer through the places alone: nothing leads from r2 to r1. With
    context (0,), as in the paper's "DRAM without context", r2_0 = 0. The policy's gradient trains
    all that it reaches: emission, context net, both LSTMs, glimpse net.

    context: the shape that the world's has, (0,) or (C, h, w). std: of the Gaussian policy, fixed
    as in the paper, or where it begins to fall to std_end, see `Narrowing`.
    balance: the paper's lambda, what the policy's gradient is multiplied by on its way below the
    emission, which alone learns at full rate (under Adam a factor there would do nothing).
    filters: channels of the first of three convolutions, in the glimpse net and the context net.

    Departures: the first look is the world's to place; the paper draws it from E(r2_0). The mean
    of the policy is bounded by tanh. The paper's sizes for house numbers are 512 LSTM units,
    filters of 64, 64 and 128, the first of them 5x5; those for MNIST were not at hand. An answer
    is given after every look; the paper's N looks a target, sequences and their end symbol are the
    task's to ask. The glimpse net starts as WhatWhere says, because the product learned nothing
    from torch's usual start. Averaging over episodes is the evaluation's; the second model that
    reads backwards is left out.

    Args:
        context: Shape of what is told before the first look, (0,) or (C, h, w).
        hidden: Units of the recurrent state.
        features: Units of the glimpse's product of what and where.
        filters: Channels of the first of three convolutions.
        std: Standard deviation of the Gaussian policy, in half-sides of the image.
        std_end: What it falls to while the agent is trained; by default it stays.
        std_from: The share of training after which it begins to fall.
        balance: What the policy's gradient is multiplied by below the emission (the paper's
            lambda).
        pairs_of: Classes of which an answer is a pair, to read it off two heads of one class each
            (`PairHead`); by default one head has all answers.
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
        std: float = 0.17,
        std_end: float | None = None,
        std_from: float = 0.0,
        balance: float = 1.0,
        pairs_of: int | None = None,
    ):
        super().__init__()
        self.spread_from(std, std_end, std_from)
        self.balance = balance
        self.glimpse = WhatWhere(glimpse, 2, features, filters)
        self.lower = Core("lstm", features, hidden)
        self.upper = Core("lstm", hidden, hidden)
        self.context = context_net(tuple(context), 2 * hidden, filters)
        self.classifier = nn.Sequential(
            nn.Linear(hidden, hidden), nn.ReLU(), answering(hidden, classes, pairs_of)
        )
        self.emission = nn.Linear(hidden, 2)
        self.critic = Scalar(hidden)

    def start(self, context: Tensor) -> Layers:
        upper = self.upper.start(context) if self.context is None else self.context(context)
        return Layers(self.lower.start(context), upper)

    def step(self, state: Layers, seen: Observation) -> tuple[Layers, Decision]:
        lower = self.lower(self.glimpse(seen.glimpse, seen.location), state.lower)
        what = self.lower.output(lower)
        upper = self.upper(what, state.upper)
        where = self.upper.output(upper)
        shared = self.balance * where + (1 - self.balance) * where.detach()
        place = Gaussian(torch.tanh(self.emission(shared)), self.std)
        logits, value = later(self.classifier, what), later(self.critic, where.detach())
        decision = Decision(place, logits, value, torch.zeros_like(seen.step))
        return Layers(lower, upper), decision
