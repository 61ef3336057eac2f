"""Self-supervised Gaussian attention of GATCluster (Niu et al. 2020, arXiv:2002.11863)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.maps import AttentionMap, pooled


def two_layers(channels: int, classes: int) -> nn.Sequential:
    """(B, C) -> (B, K), with K units between, as each of GATCluster's answers has."""
    return nn.Sequential(nn.Linear(channels, classes), nn.ReLU(), nn.Linear(classes, classes))


class GaussianAttention(nn.Module):
    """One bump over the image: a(u) = exp(-|u - mu|^2 / (2 lambda delta + eps)), u in [0, 1]^2.

    (B, C, H, W) -> (B, K). Its centre mu and width delta are three sigmoids of one layer on x,
    narrowed to K channels (1x1 convolution, BN, ReLU) and averaged to 6x6 cells. With
    f = BN(conv_1x1(x)) what is attended to is sum_u a f / sum_u a, answered by `two_layers`.
    Map: a / sum_u a, (B, 1, N). Nothing is drawn. u runs from the centres of the first row and
    column to those of the last. spread: lambda. GATCluster learns where to look without labels,
    from an answer to the mean of f (`attend`, `estimators.gat_cluster`).

    Departures: the authors' code sums a f. A wider bump is then a longer feature, and widths grow
    to their bound; an average suits maps of any size. It takes the maps as they come, 6x6, and
    reads the width and a coordinate of the centre from one and the same of its three sigmoids.
    The paper's text was not at hand.

    Args:
        spread: Width of the Gaussian.
        cells: Rows and columns that the Gaussian is read on.
    """

    placement = "pooling"

    def __init__(self, channels: int, classes: int, *, spread: float = 0.05, cells: int = 6):
        super().__init__()
        self.spread, self.cells = spread, cells
        self.features = nn.Sequential(
            nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels)
        )
        self.narrow = nn.Sequential(
            nn.Conv2d(channels, classes, 1, bias=False), nn.BatchNorm2d(classes), nn.ReLU()
        )
        self.bump = nn.Linear(classes * cells**2, 3)
        self.classifier = two_layers(channels, classes)
        self.map = AttentionMap("pooled query", over=(-1,))

    def weights(self, bump: Tensor, height: int, width: int) -> Tensor:
        """(B, 3) of mu_x, mu_y, delta -> (B, 1, N), which sum to one."""
        x, y, wide = bump[:, :, None, None].unbind(1)
        rows = torch.linspace(0, 1, height, dtype=bump.dtype, device=bump.device)[:, None]
        columns = torch.linspace(0, 1, width, dtype=bump.dtype, device=bump.device)
        distance = (columns - x) ** 2 + (rows - y) ** 2
        # A softmax, because a narrow bump between two cells is 0 in every one of them.
        return (-distance / (2 * self.spread * wide + 1e-5)).flatten(1).softmax(1)[:, None]

    def attend(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What is attended to, and the mean of all places: (B, C) each."""
        f = self.features(x).flatten(2)
        cells = F.adaptive_avg_pool2d(self.narrow(x), self.cells)
        bump = torch.sigmoid(self.bump(cells.flatten(1)))
        height, width = x.shape[2:]
        weights = self.weights(bump, height, width)
        weights = self.map(weights, density=pooled(height, width))
        return (f @ weights.mT)[..., 0], f.mean(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.attend(x)[0])
