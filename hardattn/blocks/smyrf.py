"""SMYRF: attention in clusters of equal size (Daras et al. 2020, arXiv:2010.05315)."""

import torch
from torch import Tensor

from hardattn.blocks.multi_head import MultiHead
from hardattn.noise import normal


def asymmetric(query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
    """Queries and keys as points at a squared distance of 2 M - 2 q.k: (..., N, d) -> d + 2.

    F(q) = [q; 0; sqrt(M - |q|^2)], G(k) = [k; sqrt(M - |k|^2); 0], M = max |q|^2 + max |k|^2.
    """
    of_query, of_key = (each.square().sum(-1, keepdim=True) for each in (query, key))
    most = of_query.amax(-2, keepdim=True) + of_key.amax(-2, keepdim=True)
    rest_of_query, rest_of_key = (most - of_query).sqrt(), (most - of_key).sqrt()
    return (
        torch.cat([query, torch.zeros_like(of_query), rest_of_query], -1),
        torch.cat([key, rest_of_key, torch.zeros_like(of_key)], -1),
    )


def equal_parts(hashed: Tensor, clusters: int) -> Tensor:
    """Sorted by hash and cut in equal parts: (..., N) -> (..., N, clusters), one where it belongs.

    Where the parts do not divide N, some have one member less.
    """
    order = hashed.argsort(stable=True)
    places = torch.arange(hashed.shape[-1], device=hashed.device)
    part = torch.empty_like(order).scatter_(
        -1, order, (places * clusters // hashed.shape[-1]).expand_as(order)
    )
    number = torch.arange(clusters, device=hashed.device)
    return (part[..., None] == number).to(hashed.dtype)


def log_shared(ours: Tensor, theirs: Tensor) -> Tensor:
    """Log of how many parts i and j share: (..., N, parts) memberships, twice -> (..., N, N)."""
    # 1e-30 shuts out as well as nought, whose log is many times slower.
    return (ours @ theirs.transpose(-1, -2)).clamp_min_(1e-30).log_()


class SMYRF(MultiHead):
    """Multi-head attention of each query to the keys of its cluster, in several hashings.

    In each hashing, queries and keys, as points whose distance falls with q.k, are projected on
    one random direction, sorted by it and cut in equal clusters. The hashings are merged by their
    normalisers, so A = softmax(Q K' / sqrt(d) + log n), n_ij the number of hashings that put i and
    j together. One cluster is full attention.

    (B, C, H, W) -> same. Map: A, (B, heads, N, N), rows sum to one. Directions are drawn anew at
    each forward pass in training; in evaluation they are those of the buffer.

    Departures: clusters that do not divide N differ by one member, where the paper pads. A is
    written out, (N, N), so that it can be seen and replaced, and the paper's saving is not had
    here. The paper's text was not at hand, the released code was.

    Args:
        heads: How many attend side by side.
        positions: Add where a place is to what is there.
        clusters: Into how many groups places are put.
        hashes: How many hashings are averaged.
    """

    directions: Tensor

    def __init__(
        self,
        channels: int,
        *,
        heads: int = 4,
        positions: bool = True,
        clusters: int = 4,
        hashes: int = 2,
    ):
        super().__init__(channels, heads=heads, positions=positions)
        self.clusters = clusters
        size = (heads, channels // heads + 2, hashes)
        fixed = torch.randn(size, generator=torch.Generator().manual_seed(0))
        self.register_buffer("directions", fixed)

    @torch.no_grad()
    def together(self, query: Tensor, key: Tensor) -> Tensor:
        """Log of n, (B, heads, N, N): in how many hashings a query shares a cluster with a key."""
        directions = self.directions
        if self.training:
            directions = normal(directions)
        clusters = min(self.clusters, query.shape[2])
        ours, theirs = (
            equal_parts((points @ directions).transpose(2, 3), clusters)
            for points in asymmetric(query, key)
        )
        ours, theirs = (each.transpose(2, 3).flatten(3) for each in (ours, theirs))
        return log_shared(ours, theirs)

    def weights(self, query: Tensor, key: Tensor) -> Tensor:
        logits = query / query.shape[3] ** 0.5 @ key.transpose(2, 3)
        return (logits + self.together(query, key)).softmax(-1)
