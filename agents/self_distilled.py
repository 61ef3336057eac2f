"""Self-distillation with no labels, DINO (Caron et al. 2021, arXiv:2104.14294)."""

from torch import Tensor, nn
from torch.nn import functional as F

from .probed import Probed


class Projection(nn.Module):
    """(B, D) -> (B, K): an MLP, a vector of length 1, and the cosine with each of K prototypes."""

    def __init__(self, features: int, hidden: int, prototypes: int):
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(features, hidden), nn.GELU(), nn.Linear(hidden, hidden // 2)
        )
        self.prototypes = nn.Linear(hidden // 2, prototypes, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        of_length_1 = F.normalize(self.mlp(x), dim=-1)
        return F.linear(of_length_1, F.normalize(self.prototypes.weight, dim=-1))


class SelfDistilled(Probed):
    """A vision transformer with a `Projection`, which learns to agree with its own running mean.

    Made for the estimator `self_distillation`, which needs no labels and keeps the teacher; the
    answer is that of a `probe` on the mean of the features of all patches.

    glimpse: (C, H, W), the shape of what a `Whole` sensor shows.

    Departures: a small transformer of two layers; the mean over patches is projected, where the
    paper has a class token; an MLP of two layers for three.

    Args:
        width: Channels of the transformer.
        middle: Units of the MLP of each of its layers; by default as many.
        side: Of a patch in pixels.
        hidden: Units of the projection.
        prototypes: How many there are.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        width: int = 32,
        middle: int | None = None,
        side: int = 4,
        hidden: int = 64,
        prototypes: int = 64,
    ):
        super().__init__(glimpse, classes, width, middle, side)
        self.project = Projection(width, hidden, prototypes)
