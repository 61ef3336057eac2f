"""Guided attention inference, GAIN (Li, Wu, Peng, Ernst, Fu 2018, arXiv:1802.10171), with masks."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.decoders.decoder import Join
from hardattn.maps import AttentionMap


class Inference(nn.Module):
    """A classifier of images whose class activation is the mask, and is told what to show.

    s = W mean_hw(x) + b says which classes are in the image. Grad-CAM of class c is then
    A_c = relu(sum_j w_cj x_j), which is the answer for c, times a number; the first answer, the
    background, is a number. Supervised beside the answer: s, by the classes that are there; what is
    left of each of them where A_c is hidden, s_c(x - T x) with
    T = sigmoid(sharpness (A_c - threshold)), A_c scaled to [0, 1] in each image, by its
    probability; and A_c scaled, by the squared distance to the mask of c, as in the extended GAIN.
    Map: the A_c, (B, K - 1, H, W).

    Departures: the paper hides a part of the image and sees the rest again; here features are
    hidden. It charges the score of what is left, which has no floor; here its probability. The
    answer of the masks has a cross-entropy of its own, where the paper hands its maps to another
    method. Threshold and sharpness are from other implementations. The paper's text was not at
    hand.

    Args:
        threshold: Of the map, above which a place is hidden.
        sharpness: Of that threshold.
    """

    def __init__(
        self,
        deep: int,
        fine: int,
        maps: int,
        *,
        threshold: float = 0.5,
        sharpness: float = 10.0,
    ):
        super().__init__()
        self.threshold, self.sharpness = threshold, sharpness
        self.join = Join(deep, fine, deep)
        self.classifier = nn.Linear(deep, maps - 1)
        self.scale = nn.Parameter(torch.ones(()))
        self.background = nn.Parameter(torch.ones(()))
        self.map = AttentionMap("codes")

    def forward(self, deep: Tensor, fine: Tensor) -> tuple[Tensor, ...]:
        x = self.join(deep, fine)
        shown = self.map(F.relu(torch.einsum("kc,bchw->bkhw", self.classifier.weight, x)))
        background = self.background.expand(len(x), 1, *x.shape[2:])
        least, most = shown.amin((2, 3), True), shown.amax((2, 3), True)
        scaled = (shown - least) / (most - least).clamp_min(1e-6)
        hidden = torch.sigmoid(self.sharpness * (scaled - self.threshold))
        # s_c of what class c does not hide, all classes at once.
        rest = torch.einsum("bchw,bkhw->bkc", x, 1 - hidden) / x[0, 0].numel()
        left = (rest * self.classifier.weight).sum(-1) + self.classifier.bias
        said = self.classifier(x.mean((2, 3)))
        return torch.cat([background, self.scale * shown], 1), said, left, scaled

    def instructed(self, answers: tuple[Tensor, ...], truth: Tensor) -> Tensor:
        """Which classes there are, what is left of them, and whether maps are their masks."""
        _, said, left, scaled = answers
        classes = torch.arange(1, said.shape[1] + 1, device=truth.device)[:, None, None]
        mask = (truth[:, None] == classes).to(said.dtype)
        there = mask.amax((2, 3))
        classified = F.binary_cross_entropy_with_logits(said, there, reduction="none").mean(1)
        count = there.sum(1).clamp_min(1)
        mined = (torch.sigmoid(left) * there).sum(1) / count
        asked = (truth >= 0)[:, None].to(said.dtype)
        apart = ((scaled - mask) ** 2 * asked).mean((2, 3))
        return classified + mined + (apart * there).sum(1) / count
