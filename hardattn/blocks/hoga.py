"""High-order group attention, searched by AutoLA (Ma, Zhang, Xia, Tao, NeurIPS 2020)."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from hardattn.blocks.cbam import CBAM, CBAMChannel
from hardattn.blocks.hoga_edges import gates
from hardattn.blocks.se import SE
from hardattn.maps import AttentionMap

GROUPS = 4


def convolved(before: int, after: int, dilation: int = 1) -> list[nn.Module]:
    """A 3x3 convolution of each channel for itself, a 1x1 convolution across them, a norm."""
    return [
        nn.Conv2d(
            before, before, 3, padding=dilation, dilation=dilation, groups=before, bias=False
        ),
        nn.Conv2d(before, after, 1, bias=False),
        nn.BatchNorm2d(after),
    ]


class FullGate(nn.Module):
    """y = x * sigmoid(net(x)). Map: the gate, (B, C, H, W)."""

    def __init__(self, *layers: nn.Module):
        super().__init__()
        self.net = nn.Sequential(*layers)
        self.map = AttentionMap("full gate")

    def forward(self, x: Tensor) -> Tensor:
        return x * self.map(torch.sigmoid(self.net(x)))


class SpatialGate(nn.Module):
    """y = x * sigmoid(net([max_c(x); mean_c(x)])). Map: the gate, (B, 1, H, W)."""

    def __init__(self, *layers: nn.Module):
        super().__init__()
        self.net = nn.Sequential(*layers)
        self.map = AttentionMap("spatial gate")

    def forward(self, x: Tensor) -> Tensor:
        seen = torch.cat([x.amax(1, keepdim=True), x.mean(1, keepdim=True)], 1)
        return x * self.map(torch.sigmoid(self.net(seen)))


# What an edge can be, made for a number of channels; or nothing, "none", in a search.
OPS: dict[str, Callable[[int], nn.Module]] = {
    "skip": lambda c: nn.Identity(),
    "separable": lambda c: FullGate(*convolved(c, c), nn.ReLU(), *convolved(c, c)),
    "dilated": lambda c: FullGate(*convolved(c, c, dilation=2)),
    "separable_spatial": lambda c: SpatialGate(*convolved(2, 2), nn.ReLU(), *convolved(2, 1)),
    "dilated_spatial": lambda c: SpatialGate(
        nn.Conv2d(2, 1, 3, padding=2, dilation=2, bias=False), nn.BatchNorm2d(1)
    ),
    "se": lambda c: SE(c, reduction=4),
    "se_max": lambda c: CBAMChannel(c, reduction=4),
    "cbam": lambda c: CBAM(c, reduction=4),
}

# For each node its edges: from its own group of channels, then from each node before it.
Genotype = tuple[tuple[str, ...], ...]

# Found with ResNet-20 on CIFAR-10.
PUBLISHED: Genotype = (
    ("skip",),
    ("separable_spatial", "separable"),
    ("cbam", "separable", "skip"),
    ("separable", "skip", "dilated", "separable"),
)


class Node(nn.Module):
    """The sum of what its edges bring, each from a source. [(B, C, H, W)] -> (B, C, H, W)."""

    def __init__(self, edges: Iterable[nn.Module]):
        super().__init__()
        self.edges = nn.ModuleList(edges)

    def forward(self, sources: list[Tensor]) -> Tensor:
        brought = [edge(each) for edge, each in zip(self.edges, sources, strict=True)]
        return torch.stack(brought).sum(0)


class Cell(nn.Module):
    """y = SE(x + conv([s_1; ...; s_4; SE(x_1 + ... + x_4)])), s_i = sum_j edge_ij(s_j), s_0 = x_i.

    x_1 to x_4 are four groups of channels, s_1 to s_4 are the nodes: each adds what edges bring
    from its own group and from the nodes before it, so that later nodes are of higher order. conv
    is two 1x1 convolutions, each with a norm, and a rectifier between.

    (B, C, H, W) -> same; four must divide C. Maps: those of the edges, as far as they are gates,
    and of both SE. edges: a module for C / 4 channels for each edge, by node.
    """

    def __init__(self, channels: int, edges: Iterable[Iterable[nn.Module]]):
        super().__init__()
        size = channels // GROUPS
        self.nodes = nn.ModuleList(Node(each) for each in edges)
        self.together = SE(size, reduction=8)
        self.mix = nn.Sequential(
            nn.Conv2d(channels + size, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.last = SE(channels, reduction=8)

    def brought(self, x: Tensor) -> list[Tensor]:
        """The nodes s_1 to s_4, each (B, C / 4, H, W)."""
        nodes: list[Tensor] = []
        for group, node in zip(x.chunk(GROUPS, 1), self.nodes, strict=True):
            nodes.append(node([group, *nodes]))
        return nodes

    def forward(self, x: Tensor) -> Tensor:
        nodes = self.brought(x)
        together = self.together(x.unflatten(1, (GROUPS, -1)).sum(1))
        return self.last(x + self.mix(torch.cat([*nodes, together], 1)))


def group_size(channels: int) -> int:
    """Channels of a group. Errors: where there are not four groups of one size."""
    if channels % GROUPS:
        raise ValueError(f"{channels} channels are not {GROUPS} groups of one size")
    return channels // GROUPS


class HOGA(Cell):
    """A `Cell` with the operations of a genotype on its edges; most are gates themselves.

    (B, C, H, W) -> same. genotype: names of OPS, by node and source; the published one by default.

    Departures: the equations are those of the authors' code, since the paper's text was not at
    hand. The gates by SE have biases, and eight units between at least, where the authors' small
    nets have one or none. A 1x1 convolution of one channel to one, whose scale the norm behind it
    takes away, is left out.

    Args:
        genotype: Names of OPS, by node and source.
    """

    placement = "branch"

    def __init__(self, channels: int, *, genotype: Genotype = PUBLISHED):
        size = group_size(channels)
        super().__init__(channels, [[OPS[name](size) for name in node] for node in genotype])


class Mixture(nn.Module):
    """sum_o softmax(a)_o o(x) over OPS and nothing, the last (DARTS, Liu et al., arXiv:1806.09055).

    (B, C, H, W) -> same. Maps: those of the operations, each as if it were alone. All operations
    are gates on x, or leave it as it is, so that what is weighed and added are the gates.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.ops = nn.ModuleDict({name: make(channels) for name, make in OPS.items()})
        self.architecture = nn.Parameter(1e-3 * torch.randn(len(OPS) + 1))

    def forward(self, x: Tensor) -> Tensor:
        return mixed([self], x[:, None])[:, 0]


def mixed(mixtures: list[Mixture], x: Tensor) -> Tensor:
    """(B, E, C, H, W), the sources of E mixtures -> what each makes of its own, as if alone.

    All in the calls of one, for on small maps a call costs more than what it computes.
    """
    weights = torch.stack([each.architecture for each in mixtures]).softmax(1)
    shares = dict(zip(OPS, weights[:, :-1, None, None, None].unbind(1), strict=True))
    found = gates({name: [each.ops[name] for each in mixtures] for name in OPS}, x)
    gate = shares["skip"]
    for name, one in found.items():
        gate = gate + shares[name] * one
    return x * gate


class HOGASearch(Cell):
    """A `Cell` whose edges are mixtures of all operations; the weights of these are learned, too.

    (B, C, H, W) -> same. When it is trained, `genotype` reads off the operations to make a HOGA of.

    Departures: weights and architecture descend the same loss on the same images, where the paper
    turns between a part to train and one to validate on; each block has an architecture of its
    own, where the paper has one for all; the norms inside the operations have scales and shifts,
    which are harmless here, for behind a sigmoid they cannot make up for a small weight.
    """

    placement = "branch"

    def __init__(self, channels: int):
        size = group_size(channels)
        edges = [[Mixture(size) for _ in range(node + 1)] for node in range(GROUPS)]
        super().__init__(channels, edges)

    def brought(self, x: Tensor) -> list[Tensor]:
        """The nodes, of which all edges that read the same are made at once."""
        edges: Any = [node.edges for node in self.nodes]
        made = list(mixed([each[0] for each in edges], x.unflatten(1, (GROUPS, -1))).unbind(1))
        for node in range(GROUPS - 1):
            after = [each[node + 1] for each in edges[node + 1 :]]
            read = made[node][:, None].expand(-1, len(after), -1, -1, -1)
            for later, more in enumerate(mixed(after, read).unbind(1), node + 1):
                made[later] = made[later] + more
        return made

    def genotype(self) -> Genotype:
        """On each edge the operation that weighs most; nothing does not count, as in the paper."""
        mixtures = (each for each in self.modules() if isinstance(each, Mixture))
        chosen = [list(OPS)[int(each.architecture[:-1].argmax())] for each in mixtures]
        return tuple(tuple(chosen[i * (i + 1) // 2 :][: i + 1]) for i in range(GROUPS))
