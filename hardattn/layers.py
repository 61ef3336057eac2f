"""Small nets that several agents share."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class GlimpseNet(nn.Module):
    """What and where, added: g = relu(Lin(relu(Lin(glimpse))) + Lin(relu(Lin(place)))).

    Mnih et al. (2014, arXiv:1406.6247), whose sizes are the defaults.
    (B, ...) glimpses, (B, P) places -> (B, features).
    """

    def __init__(
        self, pixels: int, places: int = 2, what: int = 128, where: int = 128, features: int = 256
    ):
        super().__init__()
        self.what = nn.Linear(pixels, what)
        self.where = nn.Linear(places, where)
        self.from_what = nn.Linear(what, features)
        self.from_where = nn.Linear(where, features)

    def forward(self, glimpse: Tensor, place: Tensor) -> Tensor:
        what = F.relu(self.what(glimpse.flatten(1)))
        where = F.relu(self.where(place))
        return F.relu(self.from_what(what) + self.from_where(where))


class RectifiedCore(nn.Module):
    """The plain recurrence h' = relu(W x + U h) of Mnih et al. (2014)."""

    def __init__(self, features: int, hidden: int):
        super().__init__()
        self.input = nn.Linear(features, hidden)
        self.recurrent = nn.Linear(hidden, hidden)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        return F.relu(self.input(x) + self.recurrent(h))


CORES: dict[str, Callable[[int, int], nn.Module]] = {
    "rnn": RectifiedCore,
    "gru": nn.GRUCell,
    "lstm": nn.LSTMCell,
}


class Core(nn.Module):
    """A recurrent cell of CORES whose state is one tensor: (B, D), state -> state."""

    def __init__(self, kind: str, features: int, hidden: int):
        super().__init__()
        if kind not in CORES:
            raise ValueError(f"no core {kind!r}: choose one of {', '.join(CORES)}")
        self.cell, self.hidden, self.parts = CORES[kind](features, hidden), hidden, 1
        if kind == "lstm":
            self.parts = 2

    def start(self, like: Tensor) -> Tensor:
        """The zero state, (B, parts * hidden), for a batch and device like those of `like`."""
        return like.new_zeros(len(like), self.parts * self.hidden)

    def output(self, state: Tensor) -> Tensor:
        """(B, hidden): what the rest of the agent reads."""
        return state[:, : self.hidden]

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        if self.parts == 1:
            return self.cell(x, state)
        return torch.cat(self.cell(x, tuple(state.split(self.hidden, 1))), 1)


class ResidualCNN(nn.Module):
    """Three stages of two 3x3 convolutions with a shortcut (He et al. 2016, arXiv:1603.05027).

    Each stage halves the sides, and the second and third double the width; mean over places, then
    a linear classifier. (B, C, H, W) -> (B, classes).
    """

    def __init__(self, channels: int, classes: int, width: int = 32):
        super().__init__()
        widths = [width, 2 * width, 4 * width]
        self.stem = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.stages = nn.ModuleList(
            ResidualStage(before, after)
            for before, after in zip([width, *widths], widths, strict=False)
        )
        self.norm = nn.BatchNorm2d(widths[-1])
        self.classifier = nn.Linear(widths[-1], classes)

    def forward(self, image: Tensor) -> Tensor:
        x = self.stem(image)
        for stage in self.stages:
            x = stage(x)
        return self.classifier(F.relu(self.norm(x)).mean((2, 3)))


class ResidualStage(nn.Module):
    """Pre-activation unit at half the side: shortcut(x) + conv(relu(norm(conv(relu(norm(x))))))."""

    def __init__(self, before: int, after: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(before)
        self.first = nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False)
        self.middle = nn.BatchNorm2d(after)
        self.second = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.shortcut = nn.Conv2d(before, after, 1, stride=2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm(x))
        return self.shortcut(x) + self.second(F.relu(self.middle(self.first(y))))
