"""SMYRF: attention in clusters of equal size (Daras et al. 2020, arXiv:2010.05315)."""

import torch
from torch import Tensor

from hardattn.blocks.multi_head import MultiHead
from hardattn.maps import Density
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

    Of `many` places, and where nobody listens to A, each cluster attends by itself: with hashes /
    clusters of the products.

    Departures: clusters that do not divide N differ by one member, where the paper pads. The
    paper's text was not at hand, the released code was.

    Args:
        heads: How many attend side by side.
        positions: Add where a place is to what is there.
        clusters: Into how many groups places are put.
        hashes: How many hashings are averaged.
    """

    directions: Tensor
    many = 200

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
    def hashed(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        """What queries and keys are sorted by, (B, heads, hashes, N) each."""
        directions = self.directions
        if self.training:
            directions = normal(directions)
        one, other = asymmetric(query, key)
        return (one @ directions).transpose(2, 3), (other @ directions).transpose(2, 3)

    @torch.no_grad()
    def together(self, query: Tensor, key: Tensor) -> Tensor:
        """Log of n, (B, heads, N, N): in how many hashings a query shares a cluster with a key."""
        clusters = min(self.clusters, query.shape[2])
        ours, theirs = (equal_parts(each, clusters) for each in self.hashed(query, key))
        ours, theirs = (each.transpose(2, 3).flatten(3) for each in (ours, theirs))
        return log_shared(ours, theirs)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, density: Density) -> Tensor:
        if not self.spares(query):
            return super().attend(query, key, value, density)
        clusters, places = min(self.clusters, query.shape[2]), query.shape[2]
        ours, theirs = (each.argsort(stable=True) for each in self.hashed(query, key))
        part = torch.arange(places, device=query.device) * clusters // places
        number = torch.arange(clusters + 1, device=query.device)
        start = (number * places + clusters - 1) // clusters  # as `equal_parts` cuts
        most = -(-places // clusters)
        slot = start[:-1, None] + torch.arange(most, device=query.device)
        empty = slot >= start[1:, None]
        slot = slot.clamp(max=places - 1).flatten()

        def members(of: Tensor, order: Tensor) -> Tensor:
            """(B, heads, N, d) -> (B, heads, hashes, clusters, most, d)."""
            which = order[..., slot].flatten(2)[..., None].expand(-1, -1, -1, of.shape[3])
            return of.gather(2, which).unflatten(2, (order.shape[2], clusters, most))

        query, key, value = members(query, ours), members(key, theirs), members(value, theirs)
        scores = query / query.shape[5] ** 0.5 @ key.transpose(4, 5)
        scores = scores.masked_fill(empty[:, None], -torch.inf)
        seen = scores.softmax(5) @ value
        mass = scores.logsumexp(5)
        # Where each query was put: of each hashing its rank, and of that the slot.
        rank = torch.empty_like(ours).scatter_(
            3, ours, torch.arange(places, device=ours.device).expand_as(ours)
        )
        put = (part * most + torch.arange(places, device=ours.device) - start[part])[rank]
        share = mass.flatten(3).gather(3, put).softmax(2)[..., None]
        seen = seen.flatten(3, 4).gather(3, put[..., None].expand(-1, -1, -1, -1, seen.shape[5]))
        return (share * seen).sum(2)

    def weights(self, query: Tensor, key: Tensor) -> Tensor:
        logits = query / query.shape[3] ** 0.5 @ key.transpose(2, 3)
        return (logits + self.together(query, key)).softmax(-1)
