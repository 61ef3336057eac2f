"""GATCluster, which clusters by Gaussian attention (Niu et al. 2020, arXiv:2002.11863)."""

import torch
from torch import Tensor

from hardattn.distributions import Delta
from hardattn.maps import charged
from hardattn.rollout import Decision
from hardattn.stochastic.gaussian_attention import GaussianAttention, two_layers
from hardattn.world import Observation

from .soft import Backbone, Block, SoftAgent, no_block


class GATCluster(SoftAgent):
    """SoftAgent with a Gaussian for its head, and beside its answer the one without attention.

    glimpse: (C, H, W), the shape of what a `Whole` sensor shows. classes: how many clusters.
    Made for the estimator `gat_cluster`, which needs no labels. Its state is the answer without
    attention, (B, K).

    Departures: those of `GaussianAttention`, and the backbone: the authors' has ten convolutions
    and maps of 6x6 for photographs of 96x96. Their code is measured by the answer without
    attention; here the answer is that to what is attended to.

    Args:
        backbone: What features come from.
        block: Made for a number of channels; stands in the backbone where its class says.
        width: Channels of the backbone.
        middle: Width of the hidden layer of each of its units; by default that of the backbone.
    """

    head: GaussianAttention

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        backbone: Backbone = "cnn",
        block: Block = no_block,
        width: int = 32,
        middle: int | None = None,
    ):
        super().__init__(
            glimpse,
            classes,
            backbone=backbone,
            block=block,
            head=GaussianAttention,
            width=width,
            middle=middle,
        )
        self.classes = classes
        self.overall = two_layers(width, classes)

    def start(self, context: Tensor) -> Tensor:
        return context.new_zeros(context.shape[0], self.classes)

    def step(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
        nought = torch.zeros_like(seen.step)
        with charged() as costs:
            attended, mean = self.head.attend(self.features(seen.glimpse))
        place = Delta(torch.zeros_like(seen.location))
        decision = Decision(place, self.head.classifier(attended), nought, sum(costs, nought))
        return self.overall(mean), decision

    def unattended(self, state: Tensor) -> Tensor:
        """(B, K): what it answers to the mean of its features."""
        return state
