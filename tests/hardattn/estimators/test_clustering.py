"""The losses of GATCluster equal slow ones, and read no labels."""

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import torch
from sklearn.cluster import KMeans
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.agents import GATCluster
from hardattn.estimators import Loss
from hardattn.estimators.clustering import gat_cluster, related
from hardattn.estimators.score_function import reinforce
from hardattn.maps import charge
from hardattn.scenes import Scenes, random_affine
from hardattn.sensors import Whole
from hardattn.tasks import Classify, Cluster
from hardattn.world import World
from tests.support.exact import flat_gradient
from tests.support.gat_cluster import CLUSTERS, WORLD, both, build, labelled, scenes, seeded


def slow_terms(attended: Tensor, p: Tensor, q: Tensor) -> dict[str, Tensor]:
    """The four losses as they are written, number by number."""
    count, zero = len(p), torch.zeros((), dtype=p.dtype)
    even, sharp = torch.zeros_like(q), torch.zeros_like(q)
    for b, k in itertools.product(range(count), range(CLUSTERS)):
        even[b, k] = q[b, k] / (q[:, k].sum() + 1e-5)
        sharp[b, k] = q[b, k] ** 2 / (q[:, k].sum() + 1e-5)
    even, sharp = even / even.sum(1)[:, None], sharp / sharp.sum(1)[:, None]
    together = related(sharp)
    assert together.sum() > 2 * count  # k-means finds clusters, and is believed
    terms = dict(invariance=zero, balance=zero, relation=zero, attention=zero)
    for b in range(count):
        terms["invariance"] = terms["invariance"] - p[b].dot(even[b]) / count
        for k in range(CLUSTERS):
            a, s = attended[b, k], sharp[b, k]
            cross = -(s * a.log() + (1 - s) * (1 - a).log())
            terms["attention"] = terms["attention"] + cross / (count * CLUSTERS)
        for other in range(b + 1):
            cosine = p[b].dot(p[other]) / (p[b].norm() * p[other].norm())
            cosine = cosine.clamp(1e-5, 1 - 1e-5)
            r = together[b, other]
            cross = -(r * cosine.log() + (1 - r) * (1 - cosine).log())
            terms["relation"] = terms["relation"] + cross / (count * (count + 1) / 2)
    for mean in (p.mean(0), attended.mean(0)):
        for k in range(CLUSTERS):
            terms["balance"] = terms["balance"] + mean[k] * mean[k].log()
    return terms


def decided() -> GATCluster:
    """In training, in which a pass depends on its batch alone; not of one mind on all images."""
    agent = build().train()
    answers = (agent.head.classifier, agent.overall)
    with torch.no_grad():
        for answer in answers:
            answer[0].weight *= 8
            answer[2].weight *= 3
        for answer, found in zip(answers, both(agent, scenes()), strict=True):
            answer[2].bias -= found.log().mean(0)
    return agent


OFF = dict(invariance=0.0, balance=0.0, relation=0.0, attention=0.0)


PAPER = dict(invariance=5.0, balance=3.0, relation=1.0, attention=5.0)


MIXED = dict(invariance=0.5, balance=2.0, relation=3.0, attention=0.7)


@pytest.fixture
def double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("double")
def test_the_losses_equal_the_slow_ones() -> None:
    """Each alone, with the weights of the paper, and with others."""
    agent = decided()
    moved = random_affine(scenes(), seeded(3), turn=20, stretch=1.25, shift=0.4)
    terms = slow_terms(*both(agent, moved), both(agent, scenes())[1].detach())
    for given in ({}, MIXED, *(OFF | {name: 1.0} for name in OFF)):
        loss = gat_cluster(agent, WORLD, scenes(), seeded(3), **given)
        found = flat_gradient(agent, loss.total)
        total = sum(weight * terms[name] for name, weight in (given or PAPER).items())
        assert isinstance(total, Tensor)
        torch.testing.assert_close(loss.total, total)
        torch.testing.assert_close(found, flat_gradient(agent, total, retain=True))
        assert found.abs().max() > 1e-3
        torch.testing.assert_close(loss.path.loss, loss.total.expand(1, len(scenes())))


def shuffled(some: Scenes) -> Scenes:
    return labelled(some, some.target[torch.randperm(len(some), generator=seeded(5))])


def learned(estimator: Callable[..., Loss], task: Any, some: Scenes) -> tuple[Tensor, Tensor]:
    """Loss and gradient."""
    agent = build().train()
    world = World(Whole(), task, 1, first="centre")
    total = estimator(agent, world, some, seeded(2)).total
    return total, flat_gradient(agent, total)


def test_labels_are_not_read() -> None:
    """Shuffled, or none at all: loss and gradient are the same to the bit, whatever is asked."""
    wanted = learned(gat_cluster, Cluster(CLUSTERS), scenes())
    nobody = labelled(scenes(), torch.full_like(scenes().target, -7))
    for task, some in (
        (Cluster(CLUSTERS), shuffled(scenes())),
        (Cluster(CLUSTERS), nobody),
        (Classify(CLUSTERS, bonus=0.5), shuffled(scenes())),
    ):
        for one, other in zip(learned(gat_cluster, task, some), wanted, strict=True):
            assert torch.equal(one, other)
    # An estimator that reads them is found out.
    reads = partial(learned, reinforce, Classify(CLUSTERS))
    assert not torch.equal(reads(scenes())[0], reads(shuffled(scenes()))[0])
    # And of the task alone there is nothing to learn.
    nothing = reinforce(build(), WORLD, scenes(), seeded(2)).total
    assert nothing == 0 and not nothing.requires_grad


class Charges(nn.Module):
    """Charges each image the mean square of its features."""

    def forward(self, x: Tensor) -> Tensor:
        charge(x.square().mean((1, 2, 3)))
        return x


def test_what_blocks_charge_is_added() -> None:
    agents = [build().train(), build(block=lambda channels: Charges()).train()]
    plain_loss, charged_loss = (gat_cluster(one, WORLD, scenes(), seeded(2)) for one in agents)
    cost = charged_loss.path.cost.mean()
    assert cost.abs() > 1e-3
    torch.testing.assert_close(charged_loss.total - plain_loss.total, cost, rtol=1e-4, atol=1e-6)


def test_it_draws_from_its_generator_alone() -> None:
    totals = []
    for noise in (6, 7):
        agent = build().train()
        torch.manual_seed(noise)
        totals.append(gat_cluster(agent, WORLD, scenes(), seeded(8)).total)
    assert torch.equal(*totals)
    assert not torch.equal(gat_cluster(build(), WORLD, scenes(), seeded(9)).total, totals[0])


def simplex(count: int, seed: int, sure: float) -> Tensor:
    """(count, CLUSTERS) points, a quarter of them near each corner."""
    corner = F.one_hot(torch.arange(count) % CLUSTERS, CLUSTERS).double()
    noise = torch.randn(count, CLUSTERS, generator=seeded(seed), dtype=torch.float64)
    return (sure * corner + noise).softmax(1)


@pytest.mark.parametrize("sure", [1.5, 4.0])
@pytest.mark.parametrize("seed", range(4))
def test_who_is_together_is_what_k_means_says(seed: int, sure: float) -> None:
    points = simplex(60, seed, sure)
    first = points.argmax(1)
    start = torch.stack([points[first == k].mean(0) for k in range(CLUSTERS)])
    means = KMeans(CLUSTERS, init=start.numpy(), n_init=1, tol=0).fit(points.numpy())
    label = torch.from_numpy(means.labels_)
    assert means.n_iter_ <= 10 or sure < 2
    found = related(points, steps=100)
    assert torch.equal(found, (label[:, None] == label).double())
    assert sure < 2 or torch.equal(related(points), found)


def test_a_grouping_that_leaves_a_cluster_empty_is_not_believed() -> None:
    points = simplex(200, 0, 9.0)
    assert related(points).sum() > 9_000
    some = points[torch.arange(200) % CLUSTERS != 0]
    for few in (0, 3, 4):  # of 150 + few a tenth of a quarter is 3.8, 3.9
        found = related(torch.cat([some, points[::CLUSTERS][:few]]))
        assert torch.equal(found, torch.eye(150 + few).double()) == (few < 4)
