"""Soft attention as one look at everything: a backbone, blocks where they belong, a head."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.distributions import Delta
from hardattn.maps import AttentionMap, charged
from hardattn.nn.networks import Made, Trunk, insert
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
    """x + gate(norm(conv(relu(norm(conv(norm(x))))))), 3x3 (Han et al. 2017, arXiv:1610.02915).

    Its branch ends with a norm, behind which a gate stands, as in the networks of those who
    published gates. There is no gate until one is placed.

    middle: channels between the two convolutions.
    """

    def __init__(self, channels: int, middle: int):
        super().__init__()
        self.channels, self.middle = channels, middle
        self.before = nn.BatchNorm2d(channels)
        self.first = nn.Conv2d(channels, middle, 3, padding=1, bias=False)
        self.between = nn.BatchNorm2d(middle)
        self.second: nn.Module = nn.Conv2d(middle, channels, 3, padding=1, bias=False)
        self.after = nn.BatchNorm2d(channels)
        self.gate: nn.Module = nn.Identity()

    def replace(self, block: Block) -> None:
        """Put a block in place of the second convolution."""
        if self.middle != self.channels:
            raise ValueError(
                f"a block in place of a convolution has as many channels before as behind it, not "
                f"{self.middle} and {self.channels}: leave middle (and weights) as by default"
            )
        self.second = block(self.channels)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.between(self.first(self.before(x))))
        return x + self.gate(self.after(self.second(y)))


class CNN(nn.Module):
    """A small residual network: two strided convolutions to a quarter of the side, then two units.

    (B, C, H, W) -> (B, width, H / 4, W / 4), sides rounded up, normalised and rectified.
    """

    def __init__(self, image: tuple[int, ...], width: int, middle: int):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(image[0], width // 2, 5, stride=2, padding=2, bias=False),
            nn.BatchNorm2d(width // 2),
            nn.ReLU(),
            nn.Conv2d(width // 2, width, 3, stride=2, padding=1, bias=False),
        )
        self.units = nn.ModuleList(ResidualUnit(width, middle) for _ in range(2))
        self.norm = nn.BatchNorm2d(width)
        self.context: nn.Module = nn.Identity()

    def fine(self, image: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, width / 2, H / 2, W / 2), on the way to what `forward` returns."""
        convolution, norm, rectified, _ = self.stem
        return rectified(norm(convolution(image)))

    def deep(self, fine: Tensor) -> Tensor:
        """The rest of the way."""
        x = self.stem[3](fine)
        for unit in self.units:
            x = unit(x)
        return F.relu(self.context(self.norm(x)))

    def forward(self, image: Tensor) -> Tensor:
        return self.deep(self.fine(image))


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


class PlaceNorm(nn.Module):
    """Layer norm over the channels of each place: (B, C, H, W) -> same."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.movedim(1, 3)).movedim(3, 1)


class SelfAttention(nn.Module):
    """What places of (B, D, H, W) attend to among all. Four heads where four divide D, else one."""

    def __init__(self, width: int):
        super().__init__()
        self.heads = 4 if width % 4 == 0 else 1
        self.project, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in self.project(x.flatten(2).transpose(1, 2)).chunk(3, 2)
        )
        # Not the fused kernel, which takes twice as long on CPUs for heads this narrow.
        weights = (query / key.shape[3] ** 0.5 @ key.transpose(2, 3)).softmax(-1)
        attended = self.out((weights @ value).transpose(1, 2).flatten(2))
        return attended.transpose(1, 2).unflatten(2, x.shape[2:])


class TransformerLayer(nn.Module):
    """x + attend(norm(x)), then x + gate(MLP(norm(x))), over places (Dosovitskiy et al. 2021).

    (arXiv:2010.11929.) (B, D, H, W) -> same. There is no gate until one is placed. middle: units
    of the MLP.
    """

    def __init__(self, width: int, middle: int):
        super().__init__()
        self.width = width
        self.before, self.between = PlaceNorm(width), PlaceNorm(width)
        self.attend: nn.Module = SelfAttention(width)
        self.mlp = nn.Sequential(
            nn.Conv2d(width, middle, 1), nn.GELU(), nn.Conv2d(middle, width, 1)
        )
        self.gate: nn.Module = nn.Identity()

    def replace(self, block: Block) -> None:
        """Put a block in place of self-attention, the one part of it that mixes places."""
        self.attend = block(self.width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attend(self.before(x))
        return x + self.gate(self.mlp(self.between(x)))


class ViT(nn.Module):
    """A small vision transformer of two layers, then a norm. side: of its patches, in pixels.

    (B, C, H, W) -> (B, width, H // side, W // side).
    """

    def __init__(self, image: tuple[int, ...], width: int, middle: int, side: int = 4):
        super().__init__()
        self.patches = Patches(image, width, side)
        self.units = nn.ModuleList(TransformerLayer(width, middle) for _ in range(2))
        self.norm = PlaceNorm(width)
        self.context: nn.Module = nn.Identity()

    def forward(self, image: Tensor) -> Tensor:
        x = self.patches(image)
        for unit in self.units:
            x = unit(x)
        return self.context(self.norm(x))


def vit_32(image: tuple[int, ...], width: int, middle: int) -> ViT:
    """`ViT` of at most 32 x 32 patches, for images of which those of 4x4 pixels are too many."""
    return ViT(image, width, middle, side=-(-max(image[1:]) // 32))


Backbone = Literal["cnn", "vit", "vit_32"]
BACKBONES: dict[str, Callable[[tuple[int, ...], int, int], CNN | ViT]] = {
    "cnn": CNN,
    "vit": ViT,
    "vit_32": vit_32,
}


class NoBlock(nn.Identity):
    """The control without attention."""

    placement = "context"


def no_block(channels: int) -> nn.Module:
    """The control without attention, made as a block is."""
    return NoBlock()


class Scaled(nn.Module):
    """x + scale * (block(x) - x), scale one number that starts at zero: at first x itself."""

    def __init__(self, block: nn.Module):
        super().__init__()
        self.block = block
        self.scale = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.scale * (self.block(x) - x)


# What the class of a block says of where in a network it stands, by its attribute `placement`; one
# that says nothing is "scaled".
PLACEMENTS = {
    "branch": "on the residual branch of each unit, behind its last norm, before the addition",
    "replacement": "in place of the second convolution of each unit; in a ViT, of self-attention",
    "context": "once, behind the last unit, on normalised features; it starts as the identity",
    "scaled": "there, and what it changes is multiplied by a number that starts at zero",
    "pooling": "in place of the mean over places: it is a head",
}


def placement(block: Block, channels: int) -> str:
    """Where such blocks stand, a row of PLACEMENTS."""
    with torch.random.fork_rng(devices=[]):
        said = getattr(block(channels), "placement", "scaled")
    if said not in PLACEMENTS or said == "pooling":
        raise ValueError(
            f"a block stands on a branch, as a replacement or as context, not {said!r}"
        )
    return str(said)


def behind(block: Block, where: str, channels: int) -> nn.Module:
    """A block that stands behind the last unit, "context" or "scaled"."""
    return Scaled(block(channels)) if where == "scaled" else block(channels)


def place(features: CNN | ViT, block: Block, channels: int) -> None:
    """Put blocks into a backbone, where they say that they stand."""
    where = placement(block, channels)
    if where == "context" or where == "scaled":
        features.context = behind(block, where, channels)
    for unit in features.units:
        assert isinstance(unit, ResidualUnit | TransformerLayer)
        if where == "branch":
            unit.gate = block(channels)
        elif where == "replacement":
            unit.replace(block)


def own_features(
    backbone: Made, glimpse: tuple[int, ...], block: Block, frozen: bool
) -> tuple[nn.Module, int]:
    """A network of one's own up to its last feature map, with blocks in it, and its channels.

    Blocks stand where they say, those that replace a convolution elsewhere at the ends of branches
    as well; see `networks.insert`. They learn although the rest is frozen.
    """
    trunk = Trunk(backbone, glimpse, frozen)
    with torch.random.fork_rng(devices=[]):
        nothing = isinstance(block(trunk.channels), nn.Identity)
    where = placement(block, trunk.channels)
    if nothing:
        return trunk, trunk.channels
    if where == "branch" or where == "replacement":
        for name in insert(trunk, block, glimpse):
            trunk.get_submodule(name).requires_grad_(True)
    else:
        trunk.context = behind(block, where, trunk.channels)
    return trunk, trunk.channels


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
        backbone: What features come from: cnn, vit, vit_32 (at most 32 x 32 patches), or a network
            of your own, package.module:make.
        frozen: Leave the weights of a network of your own as they are.
        block: Made for a number of channels; stands in the backbone where its class says.
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
        backbone: Backbone | str | Made = "cnn",
        frozen: bool = False,
        block: Block = no_block,
        head: Head = MeanPool,
        width: int = 32,
        middle: int | None = None,
        weights: int | None = None,
    ):
        super().__init__()
        if not isinstance(backbone, str):
            if weights is not None:
                raise ValueError("a backbone of your own is as wide as it is: leave out weights")
            self.features, channels = own_features(backbone, glimpse, block, frozen)
            self.head = head(channels, classes)
            return
        if backbone not in BACKBONES:
            raise ValueError(f"no backbone {backbone!r}: choose one of {', '.join(BACKBONES)}")
        if frozen:
            raise ValueError("frozen is for a backbone of your own: this one has learned nothing")

        def net(middle: int) -> tuple[nn.Module, nn.Module]:
            # The block last: the rest starts alike with it and without.
            parts = BACKBONES[backbone](tuple(glimpse), width, middle), head(width, classes)
            place(parts[0], block, width)
            return parts

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
