"""Soft attention as one look at everything: a backbone, a block after each unit, a head."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.distributions import Delta
from hardattn.maps import AttentionMap, charged
from hardattn.rollout import Decision
from hardattn.world import Observation

Block = Callable[[int], nn.Module]
Head = Callable[[int, int], nn.Module]


class MeanPool(nn.Module):
    """The mean over places, then a linear classifier. (B, C, H, W) -> (B, K).

    Map: the class activation map of the answer (Zhou et al. 2016, arXiv:1512.04150), rectified,
    (B, 1, H, W), where somebody asks for maps; to replace it changes nothing.
    """

    def __init__(self, channels: int, classes: int):
        super().__init__()
        self.classifier = nn.Linear(channels, classes)
        self.map = AttentionMap("gradient")

    def forward(self, x: Tensor) -> Tensor:
        logits = self.classifier(x.mean((2, 3)))
        if self.map.heard:
            weight = self.classifier.weight[logits.argmax(1)]
            cam = F.relu(torch.einsum("bc,bchw->bhw", weight, x))[:, None]
            self.map(cam)
        return logits


class ResidualUnit(nn.Module):
    """x + conv(relu(norm(conv(relu(norm(x)))))), 3x3 (He et al. 2016, arXiv:1603.05027).

    middle: channels between the two convolutions.
    """

    def __init__(self, channels: int, middle: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, middle, 3, padding=1, bias=False),
            nn.BatchNorm2d(middle),
            nn.ReLU(),
            nn.Conv2d(middle, channels, 3, padding=1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def cnn(image: tuple[int, ...], width: int, middle: int, block: Block) -> nn.Sequential:
    """A small residual network: two strided convolutions to a quarter of the side, then two units,
    a block after each. (B, C, H, W) -> (B, width, H / 4, W / 4), sides rounded up.
    """
    return nn.Sequential(
        nn.Conv2d(image[0], width // 2, 5, stride=2, padding=2, bias=False),
        nn.BatchNorm2d(width // 2),
        nn.ReLU(),
        nn.Conv2d(width // 2, width, 3, stride=2, padding=1, bias=False),
        ResidualUnit(width, middle),
        block(width),
        ResidualUnit(width, middle),
        block(width),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    )


class Patches(nn.Module):
    """Patches of `side` pixels, each a token, with learned positions. (B, C, H, W) -> (B, D, h, w).

    Sides of images that a patch does not divide lose their last pixels.
    """

    def __init__(self, image: tuple[int, ...], width: int, side: int = 4):
        super().__init__()
        rows, columns = image[1] // side, image[2] // side
        self.tokens = nn.Conv2d(image[0], width, side, stride=side)
        self.positions = nn.Parameter(0.02 * torch.randn(1, width, rows, columns))

    def forward(self, image: Tensor) -> Tensor:
        return self.tokens(image) + self.positions


class TransformerLayer(nn.Module):
    """x + attend(norm(x)), then x + MLP(norm(x)), over places (Dosovitskiy et al., 2010.11929).

    (B, D, H, W) -> same. Four heads where four divide D, else one. middle: units of the MLP.
    """

    def __init__(self, width: int, middle: int):
        super().__init__()
        self.heads = 4 if width % 4 == 0 else 1
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, middle), nn.GELU(), nn.Linear(middle, width))

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2)
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in self.project(self.before(tokens)).chunk(3, 2)
        )
        # Not the fused kernel, which takes twice as long on CPUs for heads this narrow.
        weights = (query / key.shape[3] ** 0.5 @ key.transpose(2, 3)).softmax(-1)
        attended = weights @ value
        tokens = tokens + self.out(attended.transpose(1, 2).flatten(2))
        tokens = tokens + self.mlp(self.between(tokens))
        return tokens.transpose(1, 2).unflatten(2, x.shape[2:])


class PlaceNorm(nn.Module):
    """Layer norm over the channels of each place: (B, C, H, W) -> same."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.movedim(1, 3)).movedim(3, 1)


def vit(image: tuple[int, ...], width: int, middle: int, block: Block) -> nn.Sequential:
    """A small vision transformer of 4x4 patches and two layers, a block after each, then a norm.

    (B, C, H, W) -> (B, width, H // 4, W // 4).
    """
    return nn.Sequential(
        Patches(image, width),
        TransformerLayer(width, middle),
        block(width),
        TransformerLayer(width, middle),
        block(width),
        PlaceNorm(width),
    )


Backbone = Literal["cnn", "vit"]
BACKBONES: dict[str, Callable[[tuple[int, ...], int, int, Block], nn.Sequential]] = {
    "cnn": cnn,
    "vit": vit,
}


def no_block(channels: int) -> nn.Module:
    """The control without attention."""
    return nn.Identity()


def _middle_of(weights: int, net: Callable[[int], tuple[nn.Module, ...]]) -> int:
    """The width of hidden layers that brings a net nearest to so many weights.

    It is linear in that width, so that two nets tell; they leave no trace in random numbers.
    """
    with torch.random.fork_rng(devices=[]):
        least, more = (
            sum(weight.numel() for part in net(middle) for weight in part.parameters())
            for middle in (1, 2)
        )
    return max(1, 1 + round((weights - least) / (more - least)))


class SoftAgent(nn.Module):
    """A classifier with a block of soft attention, behind the contract of agents.

    glimpse: (C, H, W), the shape of what a `Whole` sensor shows. What blocks charge is the cost.
    Its place is the centre: it sees everything, so looking is not a choice.

    Args:
        backbone: What features come from.
        block: Made for a number of channels, after each unit of the backbone.
        head: Made for channels and classes; answers.
        width: Channels of the backbone.
        middle: Width of the hidden layer of each of its units; by default that of the backbone.
        weights: Make those hidden layers as wide as brings the net nearest to so many weights.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        backbone: Backbone = "cnn",
        block: Block = no_block,
        head: Head = MeanPool,
        width: int = 32,
        middle: int | None = None,
        weights: int | None = None,
    ):
        super().__init__()
        if backbone not in BACKBONES:
            raise ValueError(f"no backbone {backbone!r}: choose one of {', '.join(BACKBONES)}")

        def net(middle: int) -> tuple[nn.Module, nn.Module]:
            return BACKBONES[backbone](tuple(glimpse), width, middle, block), head(width, classes)

        if weights is not None:
            middle = _middle_of(weights, net)
        self.features, self.head = net(middle or width)

    def start(self, context: Tensor) -> Tensor:
        return context[:, :0]

    def step(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
        nought = torch.zeros_like(seen.step)
        with charged() as costs:
            logits = self.head(self.features(seen.glimpse))
        cost = sum(costs, nought)
        return state, Decision(Delta(torch.zeros_like(seen.location)), logits, nought, cost)
