"""GATCluster: its answer without attention, and what it finds."""

from functools import partial
from pathlib import Path

import torch

from hardattn.agents import GATCluster
from hardattn.data import Split
from hardattn.estimators.clustering import gat_cluster
from hardattn.evaluation.evaluate import evaluate
from hardattn.evaluation.metrics import error
from hardattn.problem import Problem
from hardattn.scenes import fixed_scenes, plain, translated
from hardattn.sensors import Whole
from hardattn.tasks import Cluster
from hardattn.training.log import Log
from hardattn.training.loop import train
from hardattn.training.options import TrainOptions
from hardattn.world import World
from tests.support.gat_cluster import SIDE, WORLD, both, build, digits, scenes, seeded


def test_the_agent_carries_its_answer_without_attention() -> None:
    agent = build().eval()
    attended, unattended = both(agent, scenes())
    features = agent.features(WORLD.open(scenes()))
    assert torch.equal(attended, agent.head(features).softmax(1))
    mean = agent.head.attend(features)[1]
    assert torch.equal(unattended, agent.overall(mean).softmax(1))


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
