"""Attention-based dropout layer (ADL; Choe, Shim 2019, arXiv:1908.10028)."""

import torch
from torch import Tensor, nn

from hardattn.maps import AttentionMap
from hardattn.noise import uniform


class AttentionDropout(nn.Module):
    """In training y = x * m, m = [a < t max(a)] by chance, else sigmoid(a); a = mean_c(relu(x)).

    So the network cannot rest on what it responds to most, which widens the maps of classes that it
    is asked for later. (B, C, H, W) -> same, without weights. One coin is tossed for the batch:
    with probability `rate` the places above the share `threshold` of an image's largest response
    are dropped, otherwise responses gate. In evaluation it is the identity and attends to nothing.
    Map, in training only: m, (B, 1, H, W).

    Departures: a is the mean of the rectified features. The paper's are rectified already; of
    others the mean may be negative everywhere, and then everything would be dropped.

    Args:
        rate: How often the most attended places are dropped, and not the map applied.
        threshold: Share of the largest weight above which a place counts.
    """

    placement = "context"

    def __init__(self, channels: int, *, rate: float = 0.75, threshold: float = 0.8):
        super().__init__()
        if not 0 <= rate <= 1 or not 0 <= threshold <= 1:
            raise ValueError(f"rate and threshold lie in [0, 1], not {rate} and {threshold}")
        self.rate, self.threshold = rate, threshold
        self.map = AttentionMap("spatial gate")

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        response = torch.relu(x).mean(1, keepdim=True)
        kept = response < self.threshold * response.amax((2, 3), keepdim=True)
        drop = uniform(x.new_empty(())) < self.rate
        mask = torch.where(drop, kept.to(x.dtype), torch.sigmoid(response))
        return x * self.map(mask)
