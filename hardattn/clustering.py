"""Clusters of what is alike, and how clusters agree with classes that nobody was told of.

Matching, NMI and ARI are of `Columns`.
"""

from typing import Protocol, Self, TypeVar

import torch
from torch import Tensor


class Measured(Protocol):
    """What is read here, and by a task, of `evaluate.Columns`."""

    @property
    def log_probability(self) -> Tensor:
        """(N, T, K) of every answer after each look."""

    @property
    def prediction(self) -> Tensor:
        """(N, T) int64: the most probable answer."""

    @property
    def target(self) -> Tensor:
        """(N,) int64; (N, S) of sequences."""

    def _replace(self, *, log_probability: Tensor) -> Self: ...


Columns = TypeVar("Columns", bound=Measured)


def matched(columns: Columns) -> Columns:
    """The same with each cluster in the column of one class, one to one, so that most are right.

    The Hungarian assignment (Kuhn 1955) of final answers: every metric of `Columns` then reads as
    of a classifier, and 1 - error is what papers on clustering call accuracy. It is chosen with
    the labels of these very examples; of few examples to a cluster chance alone gets more than
    1/K right. Of more clusters than classes the rest are answers that are never right.

    Raises ValueError for sequences, and for fewer clusters than classes.
    """
    from scipy.optimize import linear_sum_assignment

    _, cluster_of = linear_sum_assignment(table(columns).T.numpy(), maximize=True)
    order = torch.from_numpy(cluster_of)
    return columns._replace(log_probability=columns.log_probability[..., order])


def nmi(columns: Measured) -> float:
    """Normalised mutual information of final answers and classes, by the mean of their entropies.

    0 where independent, 1 where one says the other. Cluster numbers do not matter.
    """
    from sklearn.metrics import normalized_mutual_info_score

    return float(normalized_mutual_info_score(_classes(columns), _clusters(columns)))


def ari(columns: Measured) -> float:
    """Adjusted Rand index (Hubert & Arabie 1985) of final answers and classes.

    Of pairs put together or apart alike; 0 by chance, 1 where they agree. Numbers do not matter.
    """
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(_classes(columns), _clusters(columns)))


def spectral(alike: Tensor, groups: int) -> Tensor:
    """(N, N) similarities, not below 0 -> (N,) int64, the group of each: spectral clustering.

    Eigenvectors of the normalised similarities, put apart by a pivoted QR factorisation (Damle et
    al. 2019), so that nothing is drawn.
    """
    from sklearn.cluster import SpectralClustering

    found = SpectralClustering(groups, affinity="precomputed", assign_labels="cluster_qr")
    return torch.from_numpy(found.fit_predict(alike.cpu().numpy())).long()


def table(columns: Measured) -> Tensor:
    """(K, K) int64: how many examples of each class (columns) each cluster (rows) has.

    What was answered with no number is in no cluster.
    """
    classes, clusters = _classes(columns), _clusters(columns)
    count = columns.log_probability.shape[-1]
    said = clusters >= 0
    if classes.amax() >= count:
        raise ValueError(
            f"{count} clusters cannot be matched with {int(classes.amax()) + 1} classes"
        )
    both = (clusters * count + classes)[said]
    return torch.bincount(both, minlength=count**2).view(count, count)


def _classes(columns: Measured) -> Tensor:
    if columns.target.dim() > 1:
        raise ValueError("clusters are of images with one label, not of sequences")
    return columns.target


def _clusters(columns: Measured) -> Tensor:
    return columns.prediction[:, -1]
