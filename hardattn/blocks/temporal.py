"""Attention in time: how features of a frame learn of the other frames of a clip.

`TEMPORAL[name](channels, frames)` is a module of (B, F, C, H, W) -> the same shape. Each says its
weights through an `AttentionMap`. Beside the papers' stand two twins without attention: none at
all, to which frames have no order, and the convolutions of GLTR alone.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.maps import AttentionMap, Density


class NoTemporal(nn.Identity):
    """The control without attention: the mean over frames, which comes after it, is all there is.

    (B, F, C, H, W) -> same.
    """

    def __init__(self, channels: int, frames: int):
        super().__init__()


class DilatedPyramid(nn.Module):
    """y_f = x_f + W [relu(conv_1(d)); relu(conv_2(d)); relu(conv_4(d))]_f, d_f = mean_hw(x_f).

    (B, F, C, H, W) -> same. Convolutions over three frames, 1, 2 and 4 apart, C channels each: the
    dilated temporal pyramid of GLTR (Li et al. 2019, arXiv:1908.10049), whose control it is: all of
    GLTR but the attention. Frames outside the clip are 0.
    """

    def __init__(self, channels: int, frames: int):
        super().__init__()
        self.rates = nn.ModuleList(
            nn.Conv1d(channels, channels, 3, padding=rate, dilation=rate) for rate in (1, 2, 4)
        )
        self.out = nn.Linear(3 * channels, channels)

    def pyramid(self, x: Tensor) -> Tensor:
        """(B, F, 3 C): what the convolutions say of each frame."""
        frames = x.mean((3, 4)).transpose(1, 2)
        return torch.cat([F.relu(rate(frames)) for rate in self.rates], 1).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.out(self.pyramid(x))[..., None, None]


class GLTR(DilatedPyramid):
    """Global-local temporal representations (Li et al. 2019, arXiv:1908.10049).

    p, (B, F, 3 C), is the local pyramid of `DilatedPyramid`; then globally, over all frames,
    M = softmax(q(p) k(p)') of C / 4 channels, z = p + M v(p), and y_f = x_f + W z_f.
    (B, F, C, H, W) -> same. Map: M, (B, 1, F, F), rows sum to one; the attention that a frame gets
    is spread evenly over its places on the strip.

    Departures: the paper's text was not at hand, and that products have no scale was not verified.
    Its descriptors are those of a large network, these are means of a small one. What comes out is
    added to the features, so that a mean over frames and places follows as in the other rows.
    """

    def __init__(self, channels: int, frames: int):
        super().__init__(channels, frames)
        wide, inner = 3 * channels, max(1, channels // 4)
        self.query = nn.Linear(wide, inner, bias=False)
        self.key = nn.Linear(wide, inner, bias=False)
        self.value = nn.Linear(wide, wide)
        self.map = AttentionMap("pairwise", over=(-1,))

    def forward(self, x: Tensor) -> Tensor:
        local = self.pyramid(x)
        weights = (self.query(local) @ self.key(local).mT).softmax(-1)[:, None]
        weights = self.map(weights, density=on_strip(*x.shape[3:]))
        whole = local + weights[:, 0] @ self.value(local)
        return x + self.out(whole)[..., None, None]


class SpatioTemporal(nn.Module):
    """Divided space-time attention (Bertasius, Wang, Torresani 2021, arXiv:2102.05095).

    x' = x + e; a = x' + T(norm(x')), in which each place attends to itself in all frames;
    y = a + S(norm(a)), in which each attends to all places of its frame. T and S have two heads
    where C is even; e is a learned vector for each frame. (B, F, C, H, W) -> same. Maps: of T,
    (B, H * W * heads, F, F), and of S, (B, F * heads, H * W, H * W), whose mean attention lies on
    the strip of frames. Rows sum to one.

    Departures: one such layer, on features of a CNN, without the MLP of a transformer.
    """

    def __init__(self, channels: int, frames: int):
        super().__init__()
        self.heads = 2 if channels % 2 == 0 else 1
        self.when = nn.Parameter(0.02 * torch.randn(frames, channels))
        self.before, self.between = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.in_time = nn.Linear(channels, 3 * channels)
        self.in_space = nn.Linear(channels, 3 * channels)
        self.out_time = nn.Linear(channels, channels)
        self.out_space = nn.Linear(channels, channels)
        self.time_map = AttentionMap("pairwise", over=(-1,))
        self.space_map = AttentionMap("pairwise", over=(-1,))

    def forward(self, x: Tensor) -> Tensor:
        count, frames, _, height, width = x.shape
        # (B, H * W, F, C): in time, each place is a row of its own.
        places = (x.flatten(3) + self.when[:, :, None]).permute(0, 3, 1, 2)
        query, key, value = self._heads(self.in_time(self.before(places)))
        weights = (query @ key.mT / query.shape[-1] ** 0.5).softmax(-1)
        shape = weights.shape
        weights = self.time_map(weights.flatten(1, 2)).view(shape)
        places = places + self.out_time(_joined(weights @ value))
        # (B, F, H * W, C): in space, each frame.
        inside = places.transpose(1, 2)
        query, key, value = self._heads(self.in_space(self.between(inside)))
        weights = (query @ key.mT / query.shape[-1] ** 0.5).softmax(-1)
        shape = weights.shape

        def strip(weights: Tensor) -> Tensor:
            shared = weights.view(count, frames, -1, *weights.shape[2:]).mean((2, 3))
            return shared.unflatten(2, (height, width)).transpose(1, 2).flatten(2)

        weights = self.space_map(weights.flatten(1, 2), density=strip).view(shape)
        inside = inside + self.out_space(_joined(weights @ value))
        return inside.transpose(2, 3).unflatten(3, (height, width))

    def _heads(self, projected: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(..., N, 3 C) -> three of (..., heads, N, C / heads)."""
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(-2, -3)
            for part in projected.chunk(3, -1)
        )
        return query, key, value


class TemporalAdaptive(nn.Module):
    """The temporal adaptive module (TAM; Liu et al. 2020, arXiv:2005.06803).

    Of d = mean_hw(x), (B, C, F): an importance v = sigmoid(conv_1(relu(norm(conv_3(d))))) of each
    channel in each frame, by convolutions over frames with C / 4 channels between them; and a
    kernel of each channel for the clip, k = softmax_3(W2 relu(norm(W1 d_c))), of the F numbers d_c,
    with 2 F units. y_f = sum_j k_j v_{f+j} x_{f+j}, j = -1, 0, 1. (B, F, C, H, W) -> same. Maps: v,
    (B, C, F), a gate, whose mean over channels lies on the strip; and k, (B, C, 3), sums to one.

    Departures: the paper has it within each block of a ResNet, between two convolutions; here it
    stands once, behind a small network. The last convolution of the gate has a bias, which that of
    the released code has not.
    """

    def __init__(self, channels: int, frames: int):
        super().__init__()
        inner = max(1, channels // 4)
        self.local = nn.Sequential(
            nn.Conv1d(channels, inner, 3, padding=1, bias=False),
            nn.BatchNorm1d(inner),
            nn.ReLU(),
            nn.Conv1d(inner, channels, 1),
        )
        self.reach = nn.Linear(frames, 2 * frames, bias=False)
        self.norm = nn.BatchNorm1d(2 * frames)
        self.kernel = nn.Linear(2 * frames, 3, bias=False)
        self.importance_map = AttentionMap("pooled query")
        self.kernel_map = AttentionMap("pooled query", over=(-1,))

    def forward(self, x: Tensor) -> Tensor:
        count, frames, channels, height, width = x.shape
        pooled = x.mean((3, 4)).transpose(1, 2)
        gate = torch.sigmoid(self.local(pooled))
        gate = self.importance_map(gate, density=on_strip(height, width))
        hidden = F.relu(self.norm(self.reach(pooled).flatten(0, 1)))
        kernel = self.kernel(hidden).softmax(-1).view(count, channels, 3)
        kernel = self.kernel_map(kernel)
        gated = F.pad(x * gate.transpose(1, 2)[..., None, None], (0, 0) * 3 + (1, 1))
        return sum(
            (gated[:, j : j + frames] * kernel[:, None, :, j, None, None] for j in range(3)),
            torch.zeros_like(x),
        )


class TemporalPooling(nn.Module):
    """y_f = F w_f x_f, w = softmax_f(v' tanh(W mean_hw(x_f))): the mean over frames is weighted.

    The scores are those of Bahdanau et al. (2015, arXiv:1409.0473) without a query; frames have no
    order. (B, F, C, H, W) -> same. Map: w, (B, 1, F), sums to one, spread evenly over the places of
    a frame on the strip.
    """

    def __init__(self, channels: int, frames: int):
        super().__init__()
        self.score = nn.Sequential(
            nn.Linear(channels, channels), nn.Tanh(), nn.Linear(channels, 1, bias=False)
        )
        self.map = AttentionMap("pooled query", over=(-1,))

    def forward(self, x: Tensor) -> Tensor:
        weights = self.score(x.mean((3, 4)))[..., 0].softmax(1)[:, None]
        weights = self.map(weights, density=on_strip(*x.shape[3:]))
        return x.shape[1] * weights[:, 0, :, None, None, None] * x


def on_strip(height: int, width: int) -> Density:
    """(B, ..., F) weights of frames -> (B, H, F * W): their mean, even within each frame."""

    def density(weights: Tensor) -> Tensor:
        frames = weights.flatten(1, -2).mean(1) / (height * width)
        return frames.repeat_interleave(width, 1)[:, None].expand(-1, height, -1)

    return density


def _joined(attended: Tensor) -> Tensor:
    """(..., heads, N, D) -> (..., N, heads * D)."""
    return attended.transpose(-2, -3).flatten(-2)


TEMPORAL: dict[str, Callable[[int, int], nn.Module]] = {
    "none": NoTemporal,
    "convolution": DilatedPyramid,
    "gltr": GLTR,
    "spatio_temporal": SpatioTemporal,
    "temporal_adaptive": TemporalAdaptive,
    "temporal_pooling": TemporalPooling,
}
