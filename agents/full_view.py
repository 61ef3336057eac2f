"""Classifiers that see everything at once: one look, and no choice of where."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from hardattn.distributions import Delta
from hardattn.nn.layers import ResidualCNN
from hardattn.rollout import Decision
from hardattn.world import Observation


def mlp(image: tuple[int, ...], classes: int) -> nn.Module:
    """Two rectified layers of 256: "FC, 2 layers of 256" of Mnih et al. (2014)."""
    pixels = torch.Size(image).numel()
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(pixels, 256),
        nn.ReLU(),
        nn.Linear(256, 256),
        nn.ReLU(),
        nn.Linear(256, classes),
    )


def conv_2014(image: tuple[int, ...], classes: int) -> nn.Module:
    """The convolutional baseline of Mnih et al. (2014): 10x10 filters, stride 5, then 256 units.

    The paper's text was not at hand; the stride, the filter size and the 256 units are as
    replications report them, the number of filters is a choice. It is weak on purpose: what "hard
    attention beats a CNN" was measured against.
    """
    channels, height, width = image
    filters = nn.Conv2d(channels, 8, min(10, height, width), stride=5)
    with torch.no_grad():
        features = filters(torch.zeros(1, *image)).numel()
    return nn.Sequential(
        filters,
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(features, 256),
        nn.ReLU(),
        nn.Linear(256, classes),
    )


def cnn(image: tuple[int, ...], classes: int) -> nn.Module:
    """A small residual network with batch norm and global pooling: a CNN as one is built today."""
    return ResidualCNN(image[0], classes)


def small_cnn(image: tuple[int, ...], classes: int) -> nn.Module:
    """`cnn` at a third of its width, which costs a tenth of the operations."""
    return ResidualCNN(image[0], classes, width=10)


NETS: dict[str, Callable[[tuple[int, ...], int], nn.Module]] = {
    "mlp": mlp,
    "conv_2014": conv_2014,
    "cnn": cnn,
    "small_cnn": small_cnn,
}


class FullView(nn.Module):
    """A classifier behind the contract of agents; its place is the centre, whatever it sees.

    glimpse: (C, H, W), the shape of what a `Whole` sensor shows.

    Args:
        net: Which classifier.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        net: Literal["mlp", "conv_2014", "cnn", "small_cnn"] = "cnn",
    ):
        super().__init__()
        if net not in NETS:
            raise ValueError(f"no net {net!r}: choose one of {', '.join(NETS)}")
        self.net = NETS[net](glimpse, classes)

    def start(self, context: Tensor) -> Tensor:
        return context[:, :0]

    def step(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
        logits = self.net(seen.glimpse)
        nought = torch.zeros_like(seen.step)
        return state, Decision(Delta(torch.zeros_like(seen.location)), logits, nought, nought)
