"""RETAIN's two attentions (Choi et al. 2016, arXiv:1608.05745), over places."""

import torch
from torch import Tensor, nn

from hardattn.maps import AttentionMap, pooled


class Retain(nn.Module):
    """One attention says which places count, the other which channels of each of them.

    alpha = softmax_n(w' x_n), beta_n = tanh(W x_n + b), c = sum_n alpha_n beta_n * x_n, then a
    linear answer. (B, C, H, W) -> (B, K). Maps: beta, (B, C, H, W), whose density is the mean of
    |beta| over channels, for it may be negative; and alpha, (B, 1, N). w' has no bias: it would
    cancel in the softmax.

    Departures: the paper's places are visits in time, and alpha and beta read two recurrent nets
    that run over them from the last to the first. The recurrences have no counterpart among
    places: both attentions read x_n itself. x_n is its own embedding, where the paper has a linear
    one of codes for diagnoses.
    """

    placement = "pooling"

    def __init__(self, channels: int, classes: int):
        super().__init__()
        self.score = nn.Conv2d(channels, 1, 1, bias=False)
        self.gate = nn.Conv2d(channels, channels, 1)
        self.classifier = nn.Linear(channels, classes)
        self.beta_map = AttentionMap("full gate")
        self.alpha_map = AttentionMap("pooled query", over=(-1,))

    def unsquashed(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What becomes alpha, (B, 1, H, W), and what becomes beta, (B, C, H, W)."""
        return self.score(x), self.gate(x)

    def forward(self, x: Tensor) -> Tensor:
        score, gate = self.unsquashed(x)
        beta = self.beta_map(torch.tanh(gate), density=lambda b: b.abs().mean(1))
        alpha = score.flatten(2).softmax(-1)
        alpha = self.alpha_map(alpha, density=pooled(*x.shape[2:]))
        context = alpha @ (beta * x).flatten(2).transpose(1, 2)
        return self.classifier(context[:, 0])
