"""Clustering: what to learn from where there are no labels."""

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from hardattn.distributions import full
from hardattn.estimators.critic import LastState
from hardattn.estimators.score_function import Loss
from hardattn.rollout import Agent, Trajectory, greedy, rollout
from hardattn.scenes import Scenes, random_affine
from hardattn.world import World

EPSILON = 1e-5
LEAST = 0.1  # of its equal share: with a smaller cluster than that, a grouping is not believed


class ClusteringAgent(Agent, Protocol):
    """An agent that also says what it answers where it does not attend, as `agents.GATCluster`."""

    def unattended(self, state: Any) -> Tensor:
        """State after a look -> (B, K)."""


def gat_cluster(
    agent: ClusteringAgent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None = None,
    *,
    invariance: float = 5.0,
    balance: float = 3.0,
    relation: float = 1.0,
    attention: float = 5.0,
    turn: float = 20.0,
    stretch: float = 1.25,
    shift: float = 0.4,
) -> Loss:
    """Four tasks that teach each other (GATCluster, Niu et al. 2020, arXiv:2002.11863). No labels.

    Of the scenes as they are, q: the agent's un-attended answers, without gradient. Of the scenes
    moved at random (`random_affine`; turn, stretch, shift), p: the un-attended answers, a: the
    attended ones. With q_k / sum_b q_k and q_k^2 / sum_b q_k, both then brought to sum one over
    clusters k:

        invariance  - mean_b p . (the first)          balance  sum_k m_k log m_k of m = mean_b p,
        attention   mean_bk BCE(a, the second)                 and the same of a
        relation    mean over pairs of BCE(cos(p_b, p_b'), whether k-means puts b, b' together)

    k-means groups the second; a grouping with a cluster of less than a tenth of its share is not
    believed, and only pairs of an image with itself count as together. What blocks charge is added.
    The weights are those of the authors' code. Biased: it is no gradient of the task's loss, which
    it does not look at, and `path.loss` is the sum of the four, of the batch and the same for each
    image.

    Departures: q is made anew at every update, by batch statistics where there are any; the
    authors make it of 1,000 images in evaluation mode, for 8 epochs of updates on these. k-means
    starts from the most probable clusters and takes 10 steps. Their transforms are of photographs.

    Args:
        invariance: Weight of the task that an image moved is the same image.
        balance: Weight of the task that clusters are of one size.
        relation: Weight of the task that neighbours are put together.
        attention: Weight of the task that attended answers are like the others.
        turn: Degrees by which an image is turned at most.
        stretch: Factor by which an image is magnified at most.
        shift: How far an image is shifted at most, in half-sides.
    """
    if not hasattr(agent, "unattended"):
        name = type(agent).__name__
        raise ValueError(f"{name} has no answer without attention: use agents.GATCluster")
    with torch.no_grad():
        _, unattended = _answered(agent, world, scenes, generator)
    moved = random_affine(scenes, generator, turn=turn, stretch=stretch, shift=shift)
    path, answered = _answered(agent, world, moved, generator)
    attended = path.logits[-1].softmax(1)
    weights = (invariance, balance, relation, attention)
    # A cosine of near 1 is not known well enough in less than single precision.
    with torch.autocast(attended.device.type, enabled=False):
        given = (full(unattended).softmax(1), full(answered).softmax(1), attended)
        each = _tasks(*given, weights)
    path = path._replace(loss=each.expand_as(path.loss) / len(path.loss))
    return Loss((path.loss + path.cost).sum(0).mean(), path, torch.zeros_like(path.loss))


def _tasks(q: Tensor, p: Tensor, a: Tensor, weights: tuple[float, float, float, float]) -> Tensor:
    """(): the four tasks of `gat_cluster` by (B, K) answers, with its four weights."""
    invariance, balance, relation, attention = weights
    with torch.no_grad():
        shared = q / (q.sum(0) + EPSILON)
        even, sharp = _rows(shared), _rows(q * shared)
        together = related(sharp)
    unit = F.normalize(p, dim=1)
    # Of two images that are alike to the last bit the logarithm of 1 - cos is not finite.
    cosine = (unit @ unit.T).clamp(EPSILON, 1 - EPSILON)
    row, column = torch.tril_indices(len(p), len(p), device=p.device)
    return (
        -invariance * (p * even).sum(1).mean()
        - balance * (_evenness(p) + _evenness(a))
        + relation * F.binary_cross_entropy(cosine[row, column], together[row, column])
        + attention * F.binary_cross_entropy(a, sharp)
    )


def related(points: Tensor, steps: int = 10) -> Tensor:
    """(B, K) points of the simplex -> (B, B) 1.0 where k-means puts two into one cluster.

    The first clusters are those of each point's largest coordinate. The identity where a cluster
    has less than a tenth of B / K points.
    """
    count, clusters = points.shape
    corners = torch.eye(clusters, dtype=points.dtype, device=points.device)
    member = corners[points.argmax(1)]
    for _ in range(steps):
        size = member.sum(0)[:, None]
        centres = torch.where(size > 0, member.T @ points / size.clamp_min(1), corners)
        member = corners[torch.cdist(points, centres).argmin(1)]
    itself = torch.eye(count, dtype=points.dtype, device=points.device)
    believed = member.sum(0).min() >= LEAST * count / clusters
    return torch.where(believed, member @ member.T, itself)


def _answered(
    agent: ClusteringAgent, world: World, scenes: Scenes, generator: torch.Generator | None
) -> tuple[Trajectory, Tensor]:
    """An episode, and (B, K) what the agent answers in the end where it does not attend."""
    shown = LastState(agent)
    path = rollout(shown, world, scenes, greedy, generator)
    return path, agent.unattended(shown.state)


def _rows(share: Tensor) -> Tensor:
    return share / share.sum(1, keepdim=True)


def _evenness(probability: Tensor) -> Tensor:
    """() nats: the entropy of the sizes of clusters."""
    mean = probability.mean(0)
    return -(mean * mean.clamp_min(EPSILON).log()).sum()
