"""Gaussian maps, and clustering by them: formulas for the weights, and truths."""

import itertools
import math
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn import clustering
from hardattn.agents import GATCluster
from hardattn.data import Dataset, Split, load
from hardattn.estimators import Loss
from hardattn.estimators.clustering import gat_cluster, related
from hardattn.estimators.score_function import reinforce
from hardattn.evaluation.evaluate import Columns, evaluate
from hardattn.evaluation.metrics import compute, error
from hardattn.maps import charge, recorded, replaced
from hardattn.problem import Problem
from hardattn.scenes import Scenes, fixed_scenes, plain, random_affine, translated
from hardattn.sensors import Whole
from hardattn.stochastic.gaussian_attention import GaussianAttention
from hardattn.tasks import Classify, Cluster
from hardattn.training.log import Log
from hardattn.training.loop import train
from hardattn.training.options import TrainOptions
from hardattn.world import World
from tests.support.exact import flat_gradient


def gaussian(c: int, k: int) -> int:
    """Two 1x1 convolutions with batch norms, three numbers from 6x6 cells, two layers."""
    return c * c + 2 * c + c * k + 2 * k + (36 * k + 1) * 3 + (c + 1) * k + (k + 1) * k


WEIGHTS: dict[str, Callable[..., int]] = {"gaussian": gaussian}

CLUSTERS = 4


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# The map.


def bump(*rows: tuple[float, float, float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def weights(given: Tensor, height: int, width: int, **options: Any) -> Tensor:
    """(B, H, W)."""
    made = GaussianAttention(4, 3, **options).weights(given, height, width)
    return made[:, 0].unflatten(1, (height, width))


@pytest.mark.parametrize("height, width", [(5, 7), (6, 6), (1, 4)])
def test_the_map_is_the_gaussian_of_the_equation(height: int, width: int) -> None:
    given = bump((0.3, 0.8, 0.4), (0.9, 0.1, 0.05))
    found = weights(given, height, width, spread=0.07)
    for b, (x, y, wide) in enumerate(given.tolist()):
        slow = torch.empty(height, width, dtype=torch.float64)
        for i, j in itertools.product(range(height), range(width)):
            u = j / (width - 1), i / (height - 1) if height > 1 else 0.0
            far = (u[0] - x) ** 2 + (u[1] - y) ** 2
            slow[i, j] = math.exp(-far / (2 * 0.07 * wide + 1e-5))
        torch.testing.assert_close(found[b], slow / slow.sum())


def test_a_bump_of_no_width_is_one_cell_and_a_wide_one_is_all() -> None:
    on, between = (0.25, 0.75, 0.0), (0.3, 0.7, 0.0)  # of cells at 0, 0.25, 0.5, 0.75, 1
    for one in (on, between):
        found = weights(bump(one), 5, 5)[0]
        wanted = torch.zeros(5, 5, dtype=torch.float64)
        wanted[3, 1] = 1
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)
    wide = weights(bump((0.3, 0.7, 1e9)), 5, 7)
    torch.testing.assert_close(wide, torch.full_like(wide, 1 / 35))


def test_centre_and_width_are_three_numbers() -> None:
    """The authors' code reads the width and a coordinate from the same one."""
    given = bump((0.5, 0.5, 0.2), (0.5, 0.5, 0.9), (0.2, 0.5, 0.2), (0.5, 0.2, 0.2))
    found = weights(given, 21, 21)
    u = torch.linspace(0, 1, 21, dtype=torch.float64)
    x, y = (found.sum(1) * u).sum(1), (found.sum(2) * u).sum(1)
    spread = (found.sum(1) * u**2).sum(1) - x**2
    torch.testing.assert_close(x[:2], torch.full_like(x[:2], 0.5))
    torch.testing.assert_close(y[:3], torch.full_like(y[:3], 0.5))
    assert spread[1] > 1.5 * spread[0]
    assert x[2] < 0.3 and y[3] < 0.3
    torch.testing.assert_close(found[2], found[3].T)


def head(seed: int = 0, channels: int = 6) -> GaussianAttention:
    torch.manual_seed(seed)
    made = GaussianAttention(channels, CLUSTERS).double().eval()
    with torch.no_grad():
        made.bump.weight.mul_(5)
    return made


def test_what_is_attended_to_is_the_mean_by_the_map() -> None:
    layer, x = head(), torch.randn(3, 6, 5, 7, generator=seeded(1), dtype=torch.float64)
    with recorded(layer) as maps:
        attended, mean = layer.attend(x)
    torch.testing.assert_close(layer(x), layer.classifier(attended))
    f, density = layer.features(x), maps[0].density
    assert density is not None and density.std(0).max() > 1e-3
    for b in range(3):
        feature = torch.zeros(6, dtype=torch.float64)
        for i, j in itertools.product(range(5), range(7)):
            feature += density[b, i, j] * f[b, :, i, j]
        torch.testing.assert_close(attended[b], feature)
    assert not torch.allclose(attended, mean)
    # Where all is attended to alike, it is the mean over places.
    with replaced(layer, lambda one: torch.full_like(one.tensor, 1 / 35)):
        torch.testing.assert_close(layer.attend(x)[0], mean)
    torch.testing.assert_close(mean, f.mean((2, 3)))


# Scenes, the agent and what it learns from.

WORLD = World(Whole(), Cluster(CLUSTERS), 1, first="centre")
SIDE = 16


def labelled(some: Scenes, target: Tensor) -> Scenes:
    return Scenes(some.image, target, some.box, some.index)


@lru_cache
def digits() -> Dataset:
    return load("digits")


def scenes() -> Scenes:
    some = translated(digits().train, torch.arange(12), seeded(0), canvas=SIDE)
    return labelled(some, some.target % CLUSTERS)


def build(seed: int = 0, **options: Any) -> GATCluster:
    torch.manual_seed(seed)
    return GATCluster((1, SIDE, SIDE), CLUSTERS, width=8, **options)


def both(agent: GATCluster, some: Scenes) -> tuple[Tensor, Tensor]:
    """Probabilities of the attended and of the un-attended answer."""
    seen = WORLD.observe(WORLD.open(some), WORLD.first(some), 0)
    state, decision = agent.step(agent.start(WORLD.context(some)), seen)
    return decision.logits.softmax(1), agent.unattended(state).softmax(1)


def test_the_agent_carries_its_answer_without_attention() -> None:
    agent = build().eval()
    attended, unattended = both(agent, scenes())
    features = agent.features(WORLD.open(scenes()))
    assert torch.equal(attended, agent.head(features).softmax(1))
    mean = agent.head.attend(features)[1]
    assert torch.equal(unattended, agent.overall(mean).softmax(1))


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
            answer[0].weight *= 5
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
    """Charges each image the mean of its features."""

    def forward(self, x: Tensor) -> Tensor:
        charge(x.mean((1, 2, 3)))
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


# k-means.


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


# Matching, NMI and ARI.


def columns(cluster: Tensor, target: Tensor, count: int) -> Columns:
    """What the most probable clusters make, of two looks; the first is of no account."""
    noise = 0.1 * torch.rand(len(cluster), count, generator=seeded(1))
    given = F.one_hot(cluster, count) + noise
    given = torch.stack([given.flip(1), given], 1)
    nowhere = torch.zeros(len(cluster), 2, 2)
    return Columns(
        log_probability=given.log_softmax(-1),
        location=nowhere,
        hit=nowhere[..., 0].bool(),
        entropy=nowhere[..., 0],
        looks=torch.full((len(cluster),), 2),
        target=target,
        index=torch.arange(len(cluster)),
    )


@pytest.mark.parametrize("count", [2, 3, 4, 5])
@pytest.mark.parametrize("seed", range(5))
def test_matching_is_the_best_of_all_permutations(count: int, seed: int) -> None:
    target = torch.randint(count, (40,), generator=seeded(seed))
    cluster = torch.randint(count, (40,), generator=seeded(seed + 100))
    cluster = torch.where(
        torch.rand(40, generator=seeded(seed)) < 0.3, (target + 1) % count, cluster
    )
    given = columns(cluster, target, count)
    found = clustering.matched(given)
    best = max(
        (torch.tensor(order)[cluster] == target).sum()
        for order in itertools.permutations(range(count))
    )
    assert found.correct[:, -1].sum() == best
    # Whole columns changed places, those of every look alike, and nothing else did.
    assert torch.equal(found.log_probability.sort(-1)[0], given.log_probability.sort(-1)[0])
    assert found._replace(log_probability=given.log_probability) == given
    order = [
        next(j for j in range(count) if torch.equal(given.log_probability[..., j], column))
        for column in found.log_probability.unbind(-1)
    ]
    assert sorted(order) == list(range(count))
    assert clustering.nmi(found) == pytest.approx(clustering.nmi(given), abs=1e-12)
    assert clustering.ari(found) == pytest.approx(clustering.ari(given), abs=1e-12)


def test_clusters_under_other_names_are_a_perfect_classifier() -> None:
    target = torch.arange(50) % 5
    given = columns((3 * target + 2) % 5, target, 5)
    assert error(given) > 0.7
    found = clustering.matched(given)
    assert error(found) == 0 and compute(found)["nll"] < compute(given)["nll"]  # type: ignore
    assert clustering.nmi(given) == pytest.approx(1) and clustering.ari(given) == pytest.approx(1)
    # A part of a class in a cluster of its own is wrong, however pure.
    finer = columns(torch.where(torch.arange(50) % 10 == 0, 5, target), target, 6)
    assert error(clustering.matched(finer)) == pytest.approx(0.1)


def slow_nmi(table: np.ndarray) -> float:
    share = table / table.sum()
    rows, both_ways = share.sum(1), share.sum(0)
    mutual = sum(
        share[i, j] * math.log(share[i, j] / (rows[i] * both_ways[j]))
        for i, j in np.ndindex(*share.shape)
        if share[i, j]
    )
    entropies = [-sum(p * math.log(p) for p in part if p) for part in (rows, both_ways)]
    return mutual / (sum(entropies) / 2)


def slow_ari(cluster: list[int], target: list[int]) -> float:
    """By going through all pairs."""
    pairs = list(itertools.combinations(range(len(target)), 2))
    same_cluster = [cluster[i] == cluster[j] for i, j in pairs]
    same_class = [target[i] == target[j] for i, j in pairs]
    agree = sum(one and other for one, other in zip(same_cluster, same_class, strict=True))
    chance = sum(same_cluster) * sum(same_class) / len(pairs)
    return (agree - chance) / ((sum(same_cluster) + sum(same_class)) / 2 - chance)


@pytest.mark.parametrize("seed", range(4))
def test_nmi_and_ari_equal_the_slow_ones(seed: int) -> None:
    target = torch.randint(4, (30,), generator=seeded(seed))
    noise = torch.randint(4, (30,), generator=seeded(seed + 50))
    cluster = torch.where(torch.rand(30, generator=seeded(seed)) < 0.6, target, noise)
    given = columns(cluster, target, 4)
    assert clustering.nmi(given) == pytest.approx(slow_nmi(clustering.table(given).numpy()))
    assert clustering.ari(given) == pytest.approx(slow_ari(cluster.tolist(), target.tolist()))


def test_what_says_nothing_of_the_classes_is_zero() -> None:
    target = torch.arange(36) % 3
    crossed = columns(torch.arange(36) // 12, target, 3)
    assert clustering.nmi(crossed) == pytest.approx(0, abs=1e-9)
    assert clustering.ari(crossed) < 0  # of pairs in both even fewer than by chance
    one = columns(torch.zeros(36, dtype=torch.int64), target, 3)
    assert clustering.nmi(one) == clustering.ari(one) == 0
    assert error(clustering.matched(one)) == pytest.approx(2 / 3)
    # Half of it right: [0, 0, 1, 2] against [0, 0, 1, 1] is 4/7 by hand.
    known = columns(torch.tensor([0, 0, 1, 2]), torch.tensor([0, 0, 1, 1]), 3)
    assert clustering.ari(known) == pytest.approx(4 / 7)


def test_what_cannot_be_matched_is_refused() -> None:
    target = torch.arange(6)
    with pytest.raises(ValueError, match="5 clusters cannot be matched with 6 classes"):
        clustering.matched(columns(target % 5, target, 5))
    with pytest.raises(ValueError, match="sequences"):
        clustering.nmi(columns(target, target, 6)._replace(target=target[:, None]))


# Both doors.


def test_it_is_trained_and_measured_as_all_are(tmp_path: Path) -> None:
    data, make = digits(), partial(translated, canvas=SIDE)
    world = World(Whole(), Cluster(10), 1, first="centre")
    validation = fixed_scenes(make, data.validation, 1).slice(0, 60)
    torch.manual_seed(0)
    agent = GATCluster((1, SIDE, SIDE), 10, width=8)
    log = Log(tmp_path, "x", classes=data.classes, quiet=True)
    found = train(
        agent,
        Problem(world, make, data.classes),
        gat_cluster,
        data,
        validation,
        tmp_path,
        TrainOptions(96, batch_size=32, validate_every=96),
        log=log,
    )
    log.close()
    assert [seen for seen, _ in found.curve] == [96]  # one, so that no label chooses the weights
    measured = evaluate(agent, world, validation)
    # What was logged in training is what whoever measures it finds.
    assert error(measured) == found.curve[0][1] < 0.9
    assert measured.density.shape == (60, 4, 4)


def shapes(count: int) -> Split:
    """Noise, and in the middle a lying bar, a standing one or a block."""
    kind = torch.arange(count) % 3
    drawn = torch.zeros(3, 1, 12, 12)
    drawn[0, 0, 5:7, 1:11] = drawn[1, 0, 1:11, 5:7] = drawn[2, 0, 3:8, 4:8] = 200
    noise = torch.randint(56, (count, 1, 12, 12), generator=seeded(0))
    return Split((drawn[kind] + noise).to(torch.uint8), kind)


def test_it_finds_shapes_that_nobody_named() -> None:
    split, world = shapes(240), World(Whole(), Cluster(3), 1, first="centre")
    torch.manual_seed(0)
    agent = GATCluster((1, 12, 12), 3, width=8)
    descent, generator = torch.optim.Adam(agent.parameters(), 1e-2), seeded(0)
    for _ in range(60):
        index = torch.randint(240, (48,), generator=generator)
        loss = gat_cluster(agent, world, plain(split, index), generator, shift=0.2)
        descent.zero_grad()
        loss.total.backward()
        descent.step()
    assert error(evaluate(agent, world, plain(split, torch.arange(240)))) < 0.05
