"""Clustered attention (Vyas, Katharopoulos, Fleuret 2020, arXiv:2007.04825)."""

import torch
from torch import Tensor

from hardattn.blocks.multi_head import MultiHead
from hardattn.maps import Density


def k_means(points: Tensor, clusters: int, rounds: int) -> Tensor:
    """Lloyd's algorithm: (..., N, D) points -> (..., N, clusters), one where a point belongs.

    The first centres are points at even distances in their order; a centre that nobody is
    nearest to stays where it is.
    """
    number = torch.arange(clusters, device=points.device)
    centres = points[..., number * points.shape[-2] // clusters, :]
    for step in range(rounds + 1):
        # Squared distances, less those of the points from nought, which all centres share.
        far = centres.square().sum(-1)[..., None, :] - 2 * points @ centres.transpose(-1, -2)
        member = torch.zeros_like(far).scatter_(-1, far.argmin(-1, keepdim=True), 1.0)
        if step < rounds:
            size = member.sum(-2)[..., None]
            mean = member.transpose(-1, -2) @ points / size.clamp_min(1)
            centres = torch.where(size > 0, mean, centres)
    return member


class Clustered(MultiHead):
    """Multi-head attention in which queries of a cluster share the weights of their centroid.

    A_i = softmax(c K' / sqrt(d)), c the mean of the queries in the cluster of i. With as many
    clusters as places it is full attention. top > 0 is the paper's improved form: on the `top`
    keys that the centroid attends to most, each query spreads the centroid's weight for them by
    its own scores (32 keys in the authors' code).

    (B, C, H, W) -> same. Map: A, (B, heads, N, N), rows sum to one. clusters: of each head, at
    most N are made. rounds: of Lloyd's algorithm. No gradient passes through who belongs where.
    Of `many` places, where nobody listens to A and top is 0, each cluster attends once, at a cost
    linear in N.

    Departures: k-means on the queries themselves; the paper has it on 63 random bits of each,
    which is faster on long sequences. The improved form writes A out, (N, N), and has not the
    paper's saving. The paper's text was not at hand, the authors' code was.

    Args:
        heads: How many attend side by side.
        positions: Add where a place is to what is there.
        clusters: Into how many groups places are put.
        rounds: How often it is repeated.
        top: Keys of each query that are compared exactly.
    """

    many = 128

    def __init__(
        self,
        channels: int,
        *,
        heads: int = 4,
        positions: bool = True,
        clusters: int = 16,
        rounds: int = 5,
        top: int = 0,
    ):
        super().__init__(channels, heads=heads, positions=positions)
        self.clusters, self.rounds, self.top = clusters, rounds, top

    def attend(self, query: Tensor, key: Tensor, value: Tensor, density: Density) -> Tensor:
        if self.top or not self.spares(query):
            return super().attend(query, key, value, density)
        member, shared = self.shared(query, key)
        return member @ (shared @ value)

    def shared(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        """Who belongs where, (B, heads, N, clusters), and how clusters attend, clusters x N."""
        with torch.no_grad():
            member = k_means(query, min(self.clusters, query.shape[2]), self.rounds)
        share = member / member.sum(2, keepdim=True).clamp_min(1)
        return member, super().weights(share.transpose(2, 3) @ query, key)

    def weights(self, query: Tensor, key: Tensor) -> Tensor:
        places = query.shape[2]
        member, shared = self.shared(query, key)
        weights = member @ shared
        if not self.top:
            return weights
        best = shared.topk(min(self.top, places), -1).indices
        chosen = member @ torch.zeros_like(shared).scatter(-1, best, 1.0)
        own = (query / query.shape[3] ** 0.5 @ key.transpose(2, 3)).masked_fill(
            chosen == 0, -torch.inf
        )
        mass = (weights * chosen).sum(-1, keepdim=True)
        return torch.where(chosen > 0, mass * own.softmax(-1), weights)
