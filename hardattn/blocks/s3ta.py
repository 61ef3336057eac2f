"""S3TA as a head: soft, spatial, sequential, top-down attention (Zoran et al. 2020).

Zoran, Chrzanowski, Huang, Gowal, Mott, Kohli, CVPR 2020, arXiv:1912.02184; the mechanism is that of
Mott et al. 2019, arXiv:1906.02500.
"""

import torch
from torch import Tensor, nn

from hardattn.maps import AttentionMap, pooled
from hardattn.nn.layers import Core, spatial_basis


class S3TA(nn.Module):
    """An LSTM asks, all places answer, `looks` times; a linear classifier reads the last state.

    Keys and values are 1x1 convolutions of the features, each with one fixed spatial basis beside
    it. A look: q = MLP(h), a = softmax_n(k_n' q), h = LSTM(sum_n a_n v_n, h). (B, C, H, W) ->
    (B, K). Map, of each look: a, (B, queries, N). The LSTM starts from nought, so the first
    question is the same for all images; its answer, and so the next question, is not.

    keys: their width without the basis; values have C. queries: asked at once at each look, whose
    answers are put side by side. frequencies: of the basis, which has (2 frequencies)^2 numbers.

    Departures: it reads a given feature map, where the paper has a ResNet of its own; keys are as
    wide as those of Mott et al., the rest is smaller than theirs (values 120, basis 64, 4 queries,
    LSTM 256); only the answers feed the LSTM. Size of the MLP and form of the basis follow a
    replication of Mott et al.; those of the paper are not confirmed. The agent `sequential` is the
    same over a net of its own, with its looks as the world's.

    Args:
        looks: How often it attends.
        hidden: Units of the hidden layer.
        keys: Channels that are asked.
        queries: Asked at once at each look.
        frequencies: Of the spatial basis, which has (2 * frequencies)^2 channels.
    """

    placement = "pooling"

    def __init__(
        self,
        channels: int,
        classes: int,
        *,
        looks: int = 4,
        hidden: int = 64,
        keys: int = 8,
        queries: int = 1,
        frequencies: int = 2,
    ):
        super().__init__()
        self.looks, self.queries, self.frequencies = looks, queries, frequencies
        basis = (2 * frequencies) ** 2
        # A key's bias would cancel in the softmax.
        self.key = nn.Conv2d(channels, keys, 1, bias=False)
        self.value = nn.Conv2d(channels, channels, 1)
        self.core = Core("lstm", queries * (channels + basis), hidden)
        self.query = nn.Sequential(
            nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, queries * (keys + basis))
        )
        self.classifier = nn.Linear(hidden, classes)
        self.map = AttentionMap("pooled query", over=(-1,))

    def forward(self, x: Tensor) -> Tensor:
        return self.look(x)[0]

    def look(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Logits (B, K), and the map of each look, (B, queries, N)."""
        rows, columns = x.shape[2:]
        basis = spatial_basis(rows, columns, self.frequencies, x).expand(x.shape[0], -1, -1)
        keys, values = (
            torch.cat([part(x).flatten(2).transpose(1, 2), basis], 2)
            for part in (self.key, self.value)
        )
        state, maps = self.core.start(x), []
        for _ in range(self.looks):
            query = self.query(self.core.output(state)).unflatten(1, (self.queries, -1))
            weights = (query @ keys.transpose(1, 2)).softmax(-1)
            weights = self.map(weights, density=pooled(rows, columns))
            state = self.core((weights @ values).flatten(1), state)
            maps.append(weights)
        return self.classifier(self.core.output(state)), maps
