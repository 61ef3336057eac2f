"""Networks as other people write them, small: residual ones as torchvision's, tokens as timm's."""

from typing import Any

import torch
from torch import Tensor, nn


class BasicBlock(nn.Module):
    def __init__(self, before: int, after: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.downsample = nn.Conv2d(before, after, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + self.downsample(x))


class ResNet(nn.Module):
    """Gives logits, and is to be cut at its pooling."""

    def __init__(self, channels: int = 3, classes: int = 7):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 8, 3, padding=1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = nn.Sequential(BasicBlock(8, 8, 1), BasicBlock(8, 8, 1))
        self.layer2 = nn.Sequential(BasicBlock(8, 16, 2), BasicBlock(16, 16, 1))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(16, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer2(self.layer1(self.relu(self.conv1(x))))
        return self.fc(self.avgpool(x).flatten(1))


class Tokens(nn.Module):
    """A class token, then patches of 4x4; its features are tokens."""

    def __init__(self, channels: int = 3):
        super().__init__()
        self.patches = nn.Conv2d(channels, 12, 4, 4)
        self.first = nn.Parameter(torch.zeros(1, 1, 12))
        self.head = nn.Linear(12, 5)

    def forward_features(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).mT
        return torch.cat([self.first.expand(len(x), -1, -1), tokens], 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.forward_features(x)[:, 0])


class Several(nn.Module):
    """All of its maps, as a list or a dict."""

    def __init__(self, named: bool = False):
        super().__init__()
        self.one, self.two, self.named = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 6, 3, 2, 1), named

    def forward(self, x: Tensor) -> Any:
        one = self.one(x)
        two = self.two(one)
        return {"one": one, "two": two} if self.named else [one, two]


class WithFeatures(nn.Module):
    """Gives logits, and calls what it cuts off `features`."""

    def __init__(self, channels: int = 3):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(channels, 8, 3, 2, 1), nn.ReLU(inplace=True))
        self.classifier = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean((2, 3)))


def plain(shape: tuple[int, ...]) -> nn.Module:
    """One that is made for the shape of what it sees."""
    return nn.Sequential(
        nn.Conv2d(shape[0], 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU()
    )


def encoder(shape: tuple[int, ...]) -> nn.Module:
    """For glimpses."""
    return nn.Sequential(nn.Conv2d(shape[0], 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1))


# With the channels and sides of their feature maps, of 24x32 pixels.
NETWORKS: dict[str, tuple[Any, tuple[int, int, int]]] = {
    "cut": (ResNet, (16, 12, 16)),
    "tokens": (lambda: Tokens(), (12, 0, 0)),
    "list": (Several, (6, 6, 8)),
    "dict": (lambda: Several(named=True), (6, 6, 8)),
    "features": (WithFeatures, (8, 12, 16)),
    "of a shape": (plain, (16, 6, 8)),
}
