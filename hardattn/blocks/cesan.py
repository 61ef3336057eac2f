"""Supervised attention of CESAN (Zhu, Qian, Wang, Liu 2020, IEEE Signal Processing Letters).

Curriculum enhanced supervised attention network, doi:10.1109/LSP.2020.3024794.
"""

import torch
from torch import Tensor, nn

from hardattn.maps import AttentionMap


class CESAN(nn.Module):
    """One map for each class, of which the likely ones gate the features.

    M = conv1x1(x), (B, K, H, W), whose means over places m are a first answer;
    gate = sigmoid(sum_k softmax(m)_k M_k); logits = Lin(mean_hw(x * gate)) + m.
    (B, C, H, W) -> (B, K). Map: the gate, (B, 1, H, W).

    Departures: in the paper a loss of its own trains m, and there are several stages in a network
    for finding persons again. A head has no label, so m is added to the logits and one loss trains
    both. The curriculum is a rule of training and left out. Only the abstract was at hand: the form
    of the gate, with the answer for the label of training, is not confirmed.
    """

    placement = "pooling"

    def __init__(self, channels: int, classes: int):
        super().__init__()
        self.maps = nn.Conv2d(channels, classes, 1)
        self.classifier = nn.Linear(channels, classes)
        self.map = AttentionMap("spatial gate")

    def forward(self, x: Tensor) -> Tensor:
        maps = self.maps(x)
        coarse = maps.mean((2, 3))
        chosen = (coarse.softmax(1)[:, :, None, None] * maps).sum(1, keepdim=True)
        gate = self.map(torch.sigmoid(chosen))
        return self.classifier((x * gate).mean((2, 3))) + coarse
