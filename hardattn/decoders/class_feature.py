"""Attentional class features, ACFNet (Zhang et al. 2019, arXiv:1909.09408), as it segments."""

import torch
from torch import Tensor, nn

from hardattn.decoders.decoder import Join, each_place
from hardattn.maps import AttentionMap


class ClassFeature(nn.Module):
    """Each place gets the features of what it may belong to, from the centres of the classes.

    Coarse logits s = conv1x1(x), supervised; p = softmax over classes of s. The centre of class k
    is sum_n w_kn x_n with w_kn = p_kn / sum_n p_kn; each place gets y_n = sum_k p_kn centre_k, and
    answers from relu(BN(conv1x1([x; y]))). Map: p, (B, K, H, W), sums to one over classes.

    Departures: features are not made narrower before their centres are taken. The paper's text was
    not at hand.
    """

    def __init__(self, deep: int, fine: int, maps: int):
        super().__init__()
        self.join = Join(deep, fine, deep)
        self.coarse = nn.Conv2d(deep, maps, 1)
        self.fuse = nn.Sequential(
            nn.Conv2d(2 * deep, deep, 1, bias=False), nn.BatchNorm2d(deep), nn.ReLU()
        )
        self.answer = nn.Conv2d(deep, maps, 1)
        self.map = AttentionMap("codes", over=(-3,))

    def forward(self, deep: Tensor, fine: Tensor) -> tuple[Tensor, ...]:
        x = self.join(deep, fine)
        coarse = self.coarse(x)
        belongs = self.map(coarse.softmax(1)).flatten(2)
        weights = belongs / belongs.sum(2, keepdim=True)
        centres = x.flatten(2) @ weights.mT
        given = (centres @ belongs).view_as(x)
        return self.answer(self.fuse(torch.cat([x, given], 1))), coarse

    def instructed(self, answers: tuple[Tensor, ...], truth: Tensor) -> Tensor:
        """The cross-entropy of the coarse answer."""
        return each_place(answers[1], truth)
