"""Kalman filtering attention (Liu et al. 2020, arXiv:2010.00985), over places."""

import torch
from torch import Tensor, nn

from hardattn.maps import AttentionMap


class KalmanPooling(nn.Module):
    """Attention as an estimate: places measure z with precision exp(w' x_n), and there is a prior.

    z = (p mu + sum_n exp(w' x_n) x_n) / (p + sum_n exp(w' x_n)), the mean of the posterior of a
    Gaussian, then a linear classifier. (B, C, H, W) -> (B, K). Map: the share of each place and,
    last, of the prior, (B, 1, N + 1), which sums to one; its density leaves the prior out. Where
    p -> 0 this is softmax attention; where p grows, z is mu, whatever the image.

    Departures: w' x is the paper's q' k with one learned query for all images, which a linear key
    makes one vector; so mu and log p, which the paper's net makes from the query, are learned
    numbers. Values are the features. This is the paper's base form: there is no frequency capping,
    because no two places are the same key. The paper's text was not at hand.
    """

    placement = "pooling"

    def __init__(self, channels: int, classes: int):
        super().__init__()
        self.log_precision = nn.Linear(channels, 1, bias=False)
        self.prior_mean = nn.Parameter(torch.zeros(channels))
        self.prior_log_precision = nn.Parameter(torch.zeros(()))
        self.classifier = nn.Linear(channels, classes)
        self.map = AttentionMap("pooled query", over=(-1,))

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = x.shape[2:]
        places = x.flatten(2).transpose(1, 2)
        prior = self.prior_mean.expand(x.shape[0], 1, -1)
        logits = torch.cat(
            [self.log_precision(places), self.prior_log_precision.expand(x.shape[0], 1, 1)], 1
        )

        def density(shares: Tensor) -> Tensor:
            return shares[:, 0, :-1].unflatten(1, (rows, columns))

        weights = self.map(logits.transpose(1, 2).softmax(-1), density=density)
        return self.classifier((weights @ torch.cat([places, prior], 1))[:, 0])
