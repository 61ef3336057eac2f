"""Expectation-maximisation attention (EMANet; Li et al. 2019, arXiv:1907.13426)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.maps import AttentionMap


class EMAttention(nn.Module):
    """y = relu(x + BN(conv_1x1(relu(mu z)))): places are rebuilt from a few bases mu.

    (B, C, H, W) -> same. With f = conv_1x1(x), `steps` times: z = softmax_k(f' mu / t), each place
    among the bases, then mu = f z, columns divided by the sum of z and brought to length one. No
    gradient passes these steps. Map: z, (B, K, H, W), sums to one over the bases, which start from
    a buffer that follows their mean over the batch in training. temperature: t; the paper's lambda
    is 1 / t. Convolutions are drawn from N(0, 2 / C), and bases from all directions alike, as in
    the authors' code.

    Departures: the responsibilities that are used are made once more, of the last mu and with a
    gradient; in the released code there is none, and the first convolution stays as it was drawn.
    The mean over the batch is brought to length one again. 16 bases; the paper has 64, for features
    of 512 channels on maps of thousands of places. t is 1, as in the authors' code, and needs
    normalised features: of these, 32 channels of untrained networks, bases have a mean cosine of 0
    and z has 54 % of the entropy of no choice; of the sum of all units these are .7 and 90 %. The
    norm's running mean follows a tenth of each batch; in the released code, which trains from
    weights that were learned before, 3e-4.

    Args:
        bases: What places are rebuilt from.
        steps: Iterations of the inner loop.
        momentum: Share of the old in the running bases.
        temperature: Of the softmax inside.
    """

    placement = "scaled"

    bases: Tensor

    def __init__(
        self,
        channels: int,
        *,
        bases: int = 16,
        steps: int = 3,
        momentum: float = 0.9,
        temperature: float = 1.0,
    ):
        super().__init__()
        self.steps, self.momentum, self.temperature = steps, momentum, temperature
        self.before = nn.Conv2d(channels, channels, 1)
        self.after = nn.Conv2d(channels, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        for conv in (self.before, self.after):
            nn.init.kaiming_normal_(conv.weight, mode="fan_out")
        self.register_buffer("bases", F.normalize(torch.randn(channels, bases), dim=0))
        self.map = AttentionMap("codes", over=(-3,))

    @torch.no_grad()
    def iterate(self, features: Tensor) -> Tensor:
        """(B, C, N) -> (B, C, K), the bases of each image."""
        bases = self.bases.expand(features.shape[0], -1, -1)
        for _ in range(self.steps):
            shares = (features.mT @ bases / self.temperature).softmax(-1)
            shares = shares / shares.sum(1, keepdim=True).clamp_min(1e-6)
            bases = F.normalize(features @ shares, dim=1)
        return bases

    def forward(self, x: Tensor) -> Tensor:
        features = self.before(x).flatten(2)
        bases = self.iterate(features)
        if self.training:
            with torch.no_grad():
                mean = F.normalize(bases.mean(0), dim=0)
                self.bases.lerp_(mean, 1 - self.momentum)
        shares = (bases.mT @ features / self.temperature).softmax(1).unflatten(2, x.shape[2:])
        shares = self.map(shares)
        rebuilt = (bases @ shares.flatten(2)).unflatten(2, x.shape[2:])
        return F.relu(x + self.norm(self.after(F.relu(rebuilt))))
