"""Glimpses and policies whose Gaussian width is learned: DRAW's reader, and two kinds of RAM.

Gregor, Danihelka, Graves, Rezende, Wierstra 2015, "DRAW: A Recurrent Neural Network For Image
Generation", arXiv:1502.04623; Mnih, Heess, Graves, Kavukcuoglu 2014, arXiv:1406.6247.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.distributions import Delta, Gaussian
from hardattn.nn.heads import later
from hardattn.nn.layers import Core, CoreKind, GlimpseNet
from hardattn.rollout import Decision
from hardattn.world import Observation

from .ram import RAM

# Of log sigma^2, log stride and log gamma, before tanh: sigma 2.5 pixels, over 2/3 of a side.
WIDE = (0.5, -0.1, 0.0)


class DrawReader(nn.Module):
    """DRAW as a classifier, "differentiable RAM": read, recur, emit the next filterbank.

    h_t = LSTM(GlimpseNet(read_t, place_t), h_{t-1}); place_{t+1} = tanh(W h_t + b), the five
    numbers of a `Filterbank`, no noise; answer = W' h_t. Trained with "pathwise": the gradient goes
    through the filters, so there is neither a policy nor a critic.

    glimpse: (C, G, G), of a world whose sensor is a filterbank.

    Departures: the five numbers are bounded by tanh (`Filterbank` says to what), where the paper
    leaves them linear; b begins with wide filters over most of the image, because narrow ones that
    miss the target give no gradient towards it. What is read goes through the glimpse net of RAM,
    with its place, because the first place is the world's to choose; the paper feeds the LSTM the
    pixels. It answers after every look. Sizes are this project's; the paper's text was not at hand.

    Args:
        places: Numbers that say a place, those of the sensor.
        core: The recurrent cell.
        hidden: Units of the recurrent state.
        what: Units between the glimpse and the features.
        where: Units between the place and the features.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        places: int = 5,
        core: CoreKind = "lstm",
        hidden: int = 256,
        what: int = 128,
        where: int = 128,
    ):
        super().__init__()
        self.glimpse = GlimpseNet(torch.Size(glimpse).numel(), places, what, where, hidden)
        self.core = Core(core, hidden, hidden)
        self.classifier = nn.Linear(hidden, classes)
        self.reader = nn.Linear(hidden, places)
        with torch.no_grad():
            self.reader.bias.copy_(torch.tensor([0.0, 0.0, *WIDE]))

    def start(self, context: Tensor) -> Tensor:
        return self.core.start(context)

    def step(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
        state = self.core(self.glimpse(seen.glimpse, seen.location), state)
        read = self.core.output(state)
        place = Delta(torch.tanh(self.reader(read)))
        nought = torch.zeros_like(seen.step)
        return state, Decision(place, later(self.classifier, read), nought, nought)


class ZoomRAM(RAM):
    """RAM that chooses how wide it looks: places are (x, y, 1 + log width), of a `Zoom` sensor.

    Departures from RAM: its glimpse is a Gaussian window of that width instead of a retina, and
    the one `std` is that of the log width as well.

    Args:
        places: Numbers that say a place, those of the sensor.
        hidden: Units of the recurrent state.
        what: Units between the glimpse and the features.
        where: Units between the place and the features.
        filters: Channels of a 3x3 convolution that glimpses go through first; by default none.
        filter_stride: Its stride, in pixels of the glimpse; by default 1.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        places: int = 3,
        hidden: int = 256,
        what: int = 128,
        where: int = 128,
        filters: int | None = None,
        filter_stride: int | None = None,
        **options: object,
    ):
        sizes: dict[str, int] = dict(hidden=hidden, what=what, where=where)
        options |= sizes | dict(filters=filters, filter_stride=filter_stride)
        super().__init__(glimpse, classes, **options)  # type: ignore[arg-type]
        self.glimpse = GlimpseNet(glimpse, places, what, where, hidden, filters, filter_stride)
        self.locator = nn.Linear(hidden, places)


class SpreadRAM(RAM):
    """RAM whose policy learns its spread: N(mean(h), (floor + softplus(W h + b))^2), for x and y.

    std is where the spread begins, whatever is seen; floor, which the spread stays above, keeps the
    score function finite. Greedy looking is not touched by it.

    Departures from RAM: the spread, which the paper fixes.

    Args:
        hidden: Units of the recurrent state.
        std: Standard deviation of the Gaussian policy at first, in half-sides of the image.
        floor: The least spread.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        hidden: int = 256,
        std: float = 0.17,
        floor: float = 0.03,
        **options: object,
    ):
        if not 0 < floor < std:
            raise ValueError(f"the floor must lie between 0 and std={std}, not be {floor}")
        if options.get("std_end") is not None:
            raise ValueError("a spread that is learned does not fall by itself: use no std_end")
        super().__init__(glimpse, classes, hidden=hidden, std=std, **options)  # type: ignore[arg-type]
        self.floor = floor
        self.spread = nn.Linear(hidden, 2)
        nn.init.zeros_(self.spread.weight)
        nn.init.constant_(self.spread.bias, math.log(math.expm1(std - floor)))

    def step(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
        state, decision = super().step(state, seen)
        seen_so_far = self.core.output(state)
        features = seen_so_far if self.joint else seen_so_far.detach()
        std = self.floor + F.softplus(self.spread(features))
        return state, decision._replace(location=Gaussian(decision.location.mean, std))
