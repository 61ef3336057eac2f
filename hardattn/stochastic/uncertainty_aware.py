"""Uncertainty-aware attention (Heo et al. 2018, arXiv:1805.09653), over places."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.blocks.retain import Retain
from hardattn.maps import AttentionMap
from hardattn.noise import drawing, dropout, normal


class UncertaintyAware(Retain):
    """RETAIN with noise before it squashes, as much as the input asks for.

    For alpha and for beta z_n ~ N(mu(x_n), diag sigma^2(x_n)), mu linear, sigma the softplus of
    another linear map; alpha = softmax_n(z_n), beta_n = tanh(z_n). So the variance is not tied to
    the strength, as it is in Bernoulli attention. The gradient is pathwise: z = mu + sigma eps.
    The nets that say mu and sigma are uncertain, too, by Monte Carlo dropout of what they read:
    the same channels at all places of an image, since what is drawn is a net. In plain evaluation
    z is mu, of the net without dropout, which is `Retain`.

    (B, C, H, W) -> (B, K). rate: of dropout. Maps: sigma of alpha, (B, 1, H, W), where it draws;
    then beta and alpha as in `Retain`, as drawn.

    The posterior of z is its prior, so nothing is charged for z. What is left of the divergence of
    the nets is lambda |M|^2 of their weights, which is weight decay, and left to the optimiser: it
    has no part for each image.

    Departures: those of `Retain`. The softplus and the rate are those of the authors' code, which
    has dropout between two recurrent nets and these maps, anew at each visit. The paper's text was
    not at hand.

    Args:
        rate: Probability of a drop.
    """

    def __init__(self, channels: int, classes: int, *, rate: float = 0.25):
        super().__init__(channels, classes)
        self.rate = rate
        self.score_spread = nn.Conv2d(channels, 1, 1)
        self.gate_spread = nn.Conv2d(channels, channels, 1)
        self.deviation_map = AttentionMap("deviation")

    def dropped(self, x: Tensor) -> Tensor:
        """x as a drawn net reads it: without some of its channels."""
        return x * dropout(torch.ones_like(x[:, :, :1, :1]), self.rate, self)

    def unsquashed(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if not drawing(self):
            return super().unsquashed(x)
        seen = self.dropped(x)
        score, spread = self.score(seen), F.softplus(self.score_spread(seen))
        spread = self.deviation_map(spread)
        score = score + spread * normal(score)
        seen = self.dropped(x)
        gate, spread = self.gate(seen), F.softplus(self.gate_spread(seen))
        return score, gate + spread * normal(gate)
