"""Non-local sparse attention (Mei, Fan, Zhou, CVPR 2021)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.blocks.smyrf import equal_parts, log_shared
from hardattn.maps import AttentionMap, received
from hardattn.noise import normal


class NonLocalSparse(nn.Module):
    """y = x + scale * A g(x), each place attending to those that hash like it.

    In each of several hashings the embeddings u are projected on random directions, and a place's
    bucket is the direction, or opposite of one, nearest to it. Sorted by bucket, places are cut in
    chunks, and each attends to its own chunk and to the two next to it, in a ring. The hashings are
    merged by their normalisers, so A_ij = softmax_j(u_i.u_j / |u_j| + log n_ij), n_ij the number of
    hashings in which j can be seen from i. Of up to three chunks everything can be seen.

    (B, C, H, W) -> same. Map: A, (B, 1, N, N), rows sum to one. u is a 3x3 convolution to C / 4
    channels, g a 1x1 to C. chunk: places in one, about. buckets: even. Directions are drawn anew at
    each forward pass in training; in evaluation they are those of the buffer.

    Departures: chunks of 16, not 144, since maps are small here; those that do not divide N differ
    by one place, where the authors' code repeats the last ones. A place counts once where a ring of
    less than three chunks shows it twice. The number of buckets does not follow N. Evaluation is
    not random. A is written out, (N, N), so that it can be seen and replaced, and the paper's
    saving is not had here.

    Args:
        chunk: Places that are compared with each other.
        hashes: How many hashings are averaged.
        buckets: Into which places are hashed.
        scale: What is attended to is multiplied by.
    """

    placement = "scaled"

    directions: Tensor

    def __init__(
        self,
        channels: int,
        *,
        chunk: int = 16,
        hashes: int = 4,
        buckets: int = 8,
        scale: float = 1.0,
    ):
        super().__init__()
        inner = max(1, channels // 4)
        self.chunk, self.scale = chunk, scale
        self.match = nn.Conv2d(channels, inner, 3, padding=1)
        self.value = nn.Conv2d(channels, channels, 1)
        size = (hashes, inner, buckets // 2)
        fixed = torch.randn(size, generator=torch.Generator().manual_seed(0))
        self.register_buffer("directions", fixed)
        self.map = AttentionMap("pairwise", over=(-1,))

    @torch.no_grad()
    def seen(self, embedded: Tensor) -> Tensor:
        """Log of the number of hashings in which i can see j: (B, N, c) -> (B, N, N)."""
        directions = self.directions
        if self.training:
            directions = normal(directions)
        projected = embedded[:, None] @ directions
        bucket = torch.cat([projected, -projected], -1).argmax(-1)
        chunks = max(1, embedded.shape[1] // self.chunk)
        own = equal_parts(bucket.to(embedded.dtype), chunks)
        near = (own + own.roll(1, -1) + own.roll(-1, -1)).clamp_max(1)
        own, near = (each.transpose(1, 2).flatten(2) for each in (own, near))
        return log_shared(own, near)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        embedded = self.match(x).flatten(2).transpose(1, 2)
        logits = embedded @ F.normalize(embedded, dim=-1).transpose(1, 2)
        weights = (logits + self.seen(embedded)).softmax(-1)[:, None]
        weights = self.map(weights, density=received(height, width))
        attended = self.value(x).flatten(2) @ weights[:, 0].transpose(1, 2)
        return x + self.scale * attended.unflatten(2, (height, width))
