"""Gated attention pooling, ABMIL (Ilse, Tomczak, Welling 2018, arXiv:1802.04712)."""

import torch
from torch import Tensor, nn

from hardattn.maps import AttentionMap, pooled


class GatedPooling(nn.Module):
    """a = softmax_n(w' (tanh(V x_n) * sigmoid(U x_n))), z = sum_n a_n x_n, then a linear answer.

    (B, C, H, W) -> (B, K). Map: a, (B, 1, N). An image is a bag, its places are the instances, so
    their order does not matter. hidden: rows of V and U, the paper's L. No biases, as in the
    paper's equation: that of w would cancel in the softmax.

    Departures: one of K classes where the paper has a bag that is positive or not; the instances
    are the features as they come, where the paper's are 500 wide.

    Args:
        hidden: Units of the hidden layer.
    """

    placement = "pooling"

    def __init__(self, channels: int, classes: int, *, hidden: int = 128):
        super().__init__()
        self.tanh = nn.Linear(channels, hidden, bias=False)
        self.gate = nn.Linear(channels, hidden, bias=False)
        self.score = nn.Linear(hidden, 1, bias=False)
        self.classifier = nn.Linear(channels, classes)
        self.map = AttentionMap("pooled query", over=(-1,))

    def forward(self, x: Tensor) -> Tensor:
        places = x.flatten(2).transpose(1, 2)
        gated = torch.tanh(self.tanh(places)) * torch.sigmoid(self.gate(places))
        weights = self.score(gated).transpose(1, 2).softmax(-1)
        weights = self.map(weights, density=pooled(*x.shape[2:]))
        return self.classifier((weights @ places)[:, 0])
