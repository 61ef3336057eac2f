"""Small nets that agents and blocks share."""

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.episode import linear


def contrast(glimpse: Tensor, floor: float = 0.02) -> Tensor:
    """Each channel less its mean, divided by sqrt(its variance + floor^2): (B, C, G, G) -> same.

    A faint slope and a bright edge become alike; what varies by less than the floor stays small.
    """
    return F.layer_norm(glimpse, glimpse.shape[2:], eps=floor**2)


class GlimpseNet(nn.Module):
    """What and where, added: g = relu(Lin(relu(Lin(glimpse))) + Lin(relu(Lin(place)))).

    Mnih et al. (2014, arXiv:1406.6247), whose sizes are the defaults. filters: relu(Conv(glimpse))
    in place of the glimpse, 3x3, of so many channels and, by its stride, the same or smaller sides;
    the scales of a glimpse are its channels.
    glimpse: the shape of one, or how many numbers it has.
    (B, ...) glimpses, (B, P) places -> (B, features).
    """

    def __init__(
        self,
        glimpse: int | tuple[int, ...],
        places: int = 2,
        what: int = 128,
        where: int = 128,
        features: int = 256,
        filters: int | None = None,
        filter_stride: int | None = None,
    ):
        super().__init__()
        shape = (glimpse,) if isinstance(glimpse, int) else tuple(glimpse)
        self.convolution: nn.Module = nn.Identity()
        if filters:
            if len(shape) != 3:
                raise ValueError(f"filters are for glimpses of (C, G, G), not {shape}: use none")
            stride = filter_stride or 1
            convolution = nn.Conv2d(shape[0], filters, 3, stride, padding=1)
            self.convolution = nn.Sequential(convolution, nn.ReLU())
            shape = (filters, *(-(-side // stride) for side in shape[1:]))
        self.what = nn.Linear(math.prod(shape), what)
        self.where = nn.Linear(places, where)
        self.from_what = nn.Linear(what, features)
        self.from_where = nn.Linear(where, features)

    def forward(self, glimpse: Tensor, place: Tensor) -> Tensor:
        what = linear((self.convolution(glimpse).flatten(1), self.what)).relu_()
        where = linear((place, self.where)).relu_()
        return linear((what, self.from_what), (where, self.from_where)).relu_()


class RectifiedCore(nn.Module):
    """The plain recurrence h' = relu(W x + U h) of Mnih et al. (2014)."""

    def __init__(self, features: int, hidden: int):
        super().__init__()
        self.input = nn.Linear(features, hidden)
        self.recurrent = nn.Linear(hidden, hidden)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        return linear((x, self.input), (h, self.recurrent)).relu_()


CoreKind = Literal["rnn", "gru", "lstm"]
CORES: dict[str, Callable[[int, int], nn.Module]] = {
    "rnn": RectifiedCore,
    "gru": nn.GRUCell,
    "lstm": nn.LSTMCell,
}


class Core(nn.Module):
    """A recurrent cell of CORES whose state is one tensor: (B, D), state -> state.

    orthogonal: its recurrent weights begin as an orthogonal matrix, or as one a gate, so that what
    is remembered neither fades nor grows (Saxe et al. 2014, arXiv:1312.6120).
    """

    def __init__(self, kind: str, features: int, hidden: int, orthogonal: bool = False):
        super().__init__()
        if kind not in CORES:
            raise ValueError(f"no core {kind!r}: choose one of {', '.join(CORES)}")
        self.cell, self.hidden, self.parts = CORES[kind](features, hidden), hidden, 1
        if kind == "lstm":
            self.parts = 2
        if orthogonal:
            for gate in _recurrent(self.cell).split(hidden):
                nn.init.orthogonal_(gate)

    def start(self, like: Tensor) -> Tensor:
        """The zero state, (B, parts * hidden), for a batch and device like those of `like`."""
        return like.new_zeros(like.shape[0], self.parts * self.hidden)

    def output(self, state: Tensor) -> Tensor:
        """(B, hidden): what the rest of the agent reads."""
        return state[:, : self.hidden]

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        if self.parts == 1:
            return self.cell(x, state)
        return torch.cat(self.cell(x, tuple(state.split(self.hidden, 1))), 1)


def _recurrent(cell: nn.Module) -> Tensor:
    """The weights by which a cell of CORES reads its state: (gates * hidden, hidden)."""
    if isinstance(cell, RectifiedCore):
        return cell.recurrent.weight
    return cell.get_parameter("weight_hh")


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


class CellFeatures(nn.Module):
    """A small convolutional net whose feature map is a grid of cells: (B, C, H, W) -> (B, N, D).

    For each prime factor of a cell's sides a rectified convolution that strides by it and is 3
    wide, or wider where the factor is; two at least, and their widths double up to D. So a
    feature sees its cell and a little around it. Cells go row by row, as in `Cells`.

    image: (C, H, W). cell: the (height, width) of a cell, which must divide those of the image.
    """

    def __init__(self, image: tuple[int, ...], cell: tuple[int, ...], features: int):
        super().__init__()
        if len(image) != 3 or len(cell) != 2 or image[1] % cell[0] or image[2] % cell[1]:
            raise ValueError(
                f"features of cells need a whole image as context and cells that divide it, "
                f"not {tuple(image)} and {tuple(cell)}"
            )
        down, across = _factors(cell[0]), _factors(cell[1])
        count = max(2, len(down), len(across))
        layers: list[nn.Module] = []
        before = image[0]
        for i in range(count):
            y, x = (each[i] if i < len(each) else 1 for each in (down, across))
            after = max(features >> (count - 1 - i), min(8, features))
            size, padding = (max(3, y), max(3, x)), (int(y < 3), int(x < 3))
            layers += [nn.Conv2d(before, after, size, (y, x), padding), nn.ReLU()]
            before = after
        self.net = nn.Sequential(*layers)
        self.cells = (image[1] // cell[0]) * (image[2] // cell[1])

    def forward(self, image: Tensor) -> Tensor:
        return self.net(image).flatten(2).transpose(1, 2)


class CellScores(nn.Module):
    """A number for each cell of a grid, from a coarse view: (B, C, h, w) -> (B, rows * columns).

    Three rectified convolutions, 3x3, at the view's resolution; the mean over what lies in a cell;
    and a linear score of it. Cells go row by row. A cell knows itself and three pixels around it.
    """

    def __init__(self, channels: int, grid: tuple[int, int], filters: int = 16):
        super().__init__()
        self.grid = grid
        layers: list[nn.Module] = []
        for before in (channels, filters, filters):
            layers += [nn.Conv2d(before, filters, 3, padding=1), nn.ReLU()]
        self.net = nn.Sequential(*layers)
        self.score = nn.Linear(filters, 1, bias=False)  # what all have alike chooses nothing

    def forward(self, view: Tensor) -> Tensor:
        cells = F.adaptive_avg_pool2d(self.net(view), self.grid).flatten(2)
        return self.score(cells.mT)[..., 0]


class PatchNet(nn.Module):
    """What each of several patches shows, by itself: (B, K, C, h, w) -> (B, K, features).

    Rectified convolutions, 3x3, each of half the sides and twice the width, until no side is over
    4; then a rectified layer.
    """

    def __init__(self, patch: tuple[int, ...], features: int, filters: int = 16):
        super().__init__()
        before, high, wide = patch
        layers: list[nn.Module] = []
        while not layers or max(high, wide) > 4:
            layers += [nn.Conv2d(before, filters, 3, 2, padding=1), nn.ReLU()]
            before, filters = filters, min(2 * filters, 64)
            high, wide = -(-high // 2), -(-wide // 2)
        self.net = nn.Sequential(*layers, nn.Flatten())
        self.features = nn.Linear(before * high * wide, features)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):  # else what little is bright dies away
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)

    def forward(self, patches: Tensor) -> Tensor:
        shown = self.features(self.net(patches.flatten(0, 1))).relu()
        return shown.unflatten(0, patches.shape[:2])


def _factors(number: int) -> list[int]:
    """Prime factors, smallest first; none of 1."""
    least = next((i for i in range(2, number + 1) if number % i == 0), None)
    return [] if least is None else [least, *_factors(number // least)]


def spatial_basis(rows: int, columns: int, frequencies: int, like: Tensor | None = None) -> Tensor:
    """(N, S): products of cos or sin of pi u y and of pi v x, u, v = 1, 2, ...; y, x in (0, 1).

    S = (2 frequencies)^2. Cells go row by row. like: whose dtype and device it has.
    """
    blank = torch.empty(0) if like is None else like

    def line(cells: int) -> Tensor:
        place = (torch.arange(cells, dtype=blank.dtype, device=blank.device) + 0.5) / cells
        wave = torch.arange(1, frequencies + 1, dtype=blank.dtype, device=blank.device)
        angle = math.pi * place[:, None] * wave
        return torch.cat([angle.cos(), angle.sin()], 1)

    y, x = line(rows), line(columns)
    return (y[:, None, :, None] * x[None, :, None, :]).flatten(2).flatten(0, 1)


class AdditiveScores(nn.Module):
    """How well each cell answers a query: w' tanh(W a_n + U q) (Bahdanau et al. 2015).

    (arXiv:1409.0473.) `keys` are W a_n + b, which do not depend on the query.
    (B, N, A) keys, (B, Q) queries -> (B, N) logits.
    """

    def __init__(self, features: int, query: int, hidden: int):
        super().__init__()
        self.keys = nn.Linear(features, hidden)
        self.query = nn.Linear(query, hidden, bias=False)
        self.score = nn.Linear(hidden, 1, bias=False)

    def forward(self, keys: Tensor, query: Tensor) -> Tensor:
        return self.score(torch.tanh(keys + self.query(query)[:, None]))[..., 0]


def attend(features: Tensor, weights: Tensor, step: Tensor) -> Tensor:
    """(B, N, D) features, (B, N) weights -> (B, D), their sum; at the first look, their mean.

    The first look is the world's and knows nothing of the image: to look at everything alike
    there makes episodes that differ in their first cell the same. step: of the observation.
    """
    alike = torch.full_like(weights, 1 / weights.shape[1])
    weights = torch.where(step[:, None] == 0, alike, weights)
    return (weights[:, None] @ features)[:, 0]
