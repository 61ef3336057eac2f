"""Attentional class features, ACFNet (Zhang et al. 2019, arXiv:1909.09408), as a head."""

import torch
from torch import Tensor, nn

from hardattn.maps import AttentionMap, pooled


class ClassFeature(nn.Module):
    """Each place gets the features of what it may belong to, from the centres of the classes.

    Coarse logits s = conv1x1(x), (B, K, H, W); p = softmax over classes of s. The centre of class k
    is sum_n w_kn x_n with w_kn = p_kn / sum_n p_kn; each place gets y_n = sum_k p_kn centre_k. Then
    relu(BN(conv1x1([x; y]))), the mean over places, and a linear classifier.

    (B, C, H, W) -> (B, K). Maps: p, (B, K, H, W), sums to one over classes; w, (B, K, N), over
    places; w is what p becomes, so a replaced p makes another w. The ReLU is needed: the mean over
    places of y is that of x, whatever p is.

    Departures: the paper segments, and p learns from the class of each pixel. A head has no label:
    the mean of s over places, class activation (Zhou et al. 2016, arXiv:1512.04150), is added to
    the logits, so that one loss on them trains both. There is no class for the background. The
    features are not made narrower before their centres are taken. The paper's text was not at hand.
    """

    placement = "pooling"

    def __init__(self, channels: int, classes: int):
        super().__init__()
        self.coarse = nn.Conv2d(channels, classes, 1)
        self.fuse = nn.Sequential(
            nn.Conv2d(2 * channels, channels, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()
        )
        self.classifier = nn.Linear(channels, classes)
        self.codes_map = AttentionMap("codes", over=(-3,))
        self.pooling_map = AttentionMap("pooled query", over=(-1,))

    def forward(self, x: Tensor) -> Tensor:
        coarse = self.coarse(x)
        belongs = self.codes_map(coarse.softmax(1)).flatten(2)
        weights = belongs / belongs.sum(2, keepdim=True)
        weights = self.pooling_map(weights, density=pooled(*x.shape[2:]))
        centres = weights @ x.flatten(2).transpose(1, 2)
        given = (centres.transpose(1, 2) @ belongs).view_as(x)
        fused = self.fuse(torch.cat([x, given], 1))
        return self.classifier(fused.mean((2, 3))) + coarse.mean((2, 3))
