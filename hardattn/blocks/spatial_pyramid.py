"""Spatial attention pyramid (SAPNet; Li et al. 2020, arXiv:2003.12979), for one image."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.maps import AttentionMap, pooled


class SpatialPyramid(nn.Module):
    """y = x + W sum_k g_k * v_k, v_k = sum_p a_kp pool_k(x)_p: vectors of windows of several sizes.

    (B, C, H, W) -> same. pool_k averages over the window around each place, without what lies
    outside; a_k = softmax_p(conv_1x1(relu(conv_1x1(s)))) of a map s = relu(conv_3x3(x)) that all
    sizes share; g = softmax_k(G relu(F sum_k v_k)), a weight for each size and channel. Maps: a,
    (B, sizes, N), sums to one over places, and g, (B, sizes, C), over sizes. A mean of means is one
    of places: a is spread over the windows, one channel, and no window of the C of x is averaged.

    Departures: in the paper s also sees the detector's logits, and the vector goes to a classifier
    of domains that is trained against the features; here there are neither, and the vector is added
    to each place. Windows of 3, 5 and 7 around each place of a small map; the paper's go from 3 to
    37, with stride 2. Embeddings of 256 channels are left out, and half of C stands for its middle
    layers of 128. The paper's text was not at hand; this follows an implementation.

    Args:
        windows: Sides of the windows in places.
    """

    placement = "scaled"

    def __init__(self, channels: int, *, windows: Sequence[int] = (3, 5, 7)):
        super().__init__()
        if any(window % 2 == 0 for window in windows):
            raise ValueError(f"windows around a place need odd sides, not {tuple(windows)}")
        middle = channels // 2
        self.windows = tuple(windows)
        self.share = nn.Conv2d(channels, channels, 3, padding=1)
        self.weigh = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, middle, 1), nn.ReLU(), nn.Conv2d(middle, 1, 1, bias=False)
            )
            for _ in windows
        )
        self.fuse = nn.Linear(channels, middle)
        self.select = nn.Linear(middle, len(self.windows) * channels)
        self.out = nn.Linear(channels, channels)
        self.places_map = AttentionMap("pooled query", over=(-1,))
        self.sizes_map = AttentionMap("branch", over=(-2,))

    def spread(self, weights: Tensor) -> Tensor:
        """(B, sizes, H, W), weights of windows -> of places, each its share of those around."""
        inside = torch.ones_like(weights[:1, :1])
        spread = []
        for window, each in zip(self.windows, weights.split(1, 1), strict=True):

            def total(of: Tensor, window: int = window) -> Tensor:
                return F.avg_pool2d(of, window, 1, window // 2, divisor_override=1)

            spread.append(total(each / total(inside)))
        return torch.cat(spread, 1)

    def forward(self, x: Tensor) -> Tensor:
        shared = F.relu(self.share(x))
        weights = torch.cat([weigh(shared) for weigh in self.weigh], 1).flatten(2).softmax(-1)
        weights = self.places_map(weights, density=pooled(*x.shape[2:]))
        shares = self.spread(weights.unflatten(2, x.shape[2:])).flatten(2)
        vectors = shares @ x.flatten(2).transpose(1, 2)
        chosen = self.select(F.relu(self.fuse(vectors.sum(1))))
        chosen = chosen.unflatten(1, (len(self.windows), -1)).softmax(1)
        chosen = self.sizes_map(chosen)
        return x + self.out((chosen * vectors).sum(1))[:, :, None, None]
