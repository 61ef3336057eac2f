"""X-linear attention as pooling (Pan, Yao, Li, Mei 2020, arXiv:2003.14080)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.maps import AttentionMap, pooled


class XLinearPooling(nn.Module):
    """Second-order attention: products of each place with the query say where and which channels.

    Q = mean_n x_n; b_n = s(W_k x_n) * s(W_q Q), c_n = relu(W_b b_n); where
    a = softmax_n(w' c_n); which g = sigmoid(W_g mean_n c_n); answer
    z = g * sum_n a_n (s(W_v x_n) * s(W_u Q)), then a linear classifier. s = CELU with alpha 1.3.

    (B, C, H, W) -> (B, K). Maps: a, (B, 1, N), then g, (B, C). All products are C wide, W_b halves
    them. w has no bias: it would cancel in the softmax.

    Departures: one block and one group, without the group norm and dropout of the authors' code,
    whose alpha this is; the paper stacks blocks, whose answers are the next ones' queries, in an
    encoder of captions. The mean of places is the query, as in the first of these.
    """

    placement = "pooling"

    def __init__(self, channels: int, classes: int):
        super().__init__()
        middle = channels // 2
        self.key, self.query = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.value, self.asked = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.joint = nn.Linear(channels, middle)
        self.where = nn.Linear(middle, 1, bias=False)
        self.which = nn.Linear(middle, channels)
        self.classifier = nn.Linear(channels, classes)
        self.where_map = AttentionMap("pooled query", over=(-1,))
        self.which_map = AttentionMap("channel gate")

    def forward(self, x: Tensor) -> Tensor:
        places = x.flatten(2).transpose(1, 2)
        query = places.mean(1, keepdim=True)
        keyed = F.celu(self.key(places), 1.3) * F.celu(self.query(query), 1.3)
        valued = F.celu(self.value(places), 1.3) * F.celu(self.asked(query), 1.3)
        joint = F.relu(self.joint(keyed))
        weights = self.where(joint).transpose(1, 2).softmax(-1)
        weights = self.where_map(weights, density=pooled(*x.shape[2:]))
        gate = self.which_map(torch.sigmoid(self.which(joint.mean(1))))
        return self.classifier(gate * (weights @ valued)[:, 0])
