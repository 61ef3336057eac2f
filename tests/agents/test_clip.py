"""Who sees clips: frames go through one network, and the order of two is learned or cannot be."""

from functools import partial

import pytest
import torch

from hardattn.agents import ClipAgent
from hardattn.data import Split
from hardattn.estimators import ESTIMATORS
from hardattn.evaluation.evaluate import evaluate
from hardattn.evaluation.metrics import error
from hardattn.rng import Generator
from hardattn.scenes import clips, fixed_scenes
from hardattn.sensors import Whole
from hardattn.tasks import Classify
from hardattn.world import World

CLASSES = 2


def split() -> Split:
    """A cross and a block, dim and bright ones."""
    cross = torch.eye(4, dtype=torch.uint8) + torch.eye(4, dtype=torch.uint8).flip(1)
    shapes = torch.stack([cross, torch.ones(4, 4, dtype=torch.uint8)])
    bright = torch.arange(100, 250, 10, dtype=torch.uint8)
    images = (bright[:, None, None, None] * shapes).flatten(0, 1)[:, None]
    return Split(images, torch.arange(len(images)) % CLASSES)


def learned(temporal: str, updates: int) -> float:
    """The error of who came first, after so many updates."""
    make = partial(clips, canvas=8, frames=4, asked="order", shown=1)
    world = World(Whole(), Classify(CLASSES, each=True), 1, first="centre", frames=4)
    torch.manual_seed(0)
    agent = ClipAgent((1, 8, 32), CLASSES, frames=4, temporal=temporal, width=16)  # type: ignore[arg-type]
    look = ESTIMATORS["pathwise"].build(agent, world)
    descent = torch.optim.Adam(agent.parameters(), 1e-3)
    generator: Generator = torch.Generator().manual_seed(1)
    data = split()
    for _ in range(updates):
        index = torch.randint(len(data), (32,), generator=generator)  # type: ignore[arg-type]
        descent.zero_grad()
        look(agent, world, make(data, index, generator), generator).total.backward()
        descent.step()
    return error(evaluate(agent, world, fixed_scenes(make, data, 3, 8)))


def test_it_learns_which_came_first() -> None:
    """Seed 0 ends without an error."""
    assert learned("gltr", 125) < 0.15


def test_its_twin_without_attention_cannot() -> None:
    """Both classes are in every clip, so that it is right by chance."""
    assert learned("none", 125) > 0.35


def test_frames_are_cut_from_the_strip() -> None:
    with pytest.raises(ValueError, match="3 frames stand side by side"):
        ClipAgent((1, 8, 32), 10, frames=3)
    with pytest.raises(ValueError, match="no temporal 'sum'"):
        ClipAgent((1, 8, 32), 10, frames=4, temporal="sum")  # type: ignore[arg-type]
    agent = ClipAgent((1, 8, 32), 10, frames=4, temporal="none", width=8).eval()
    world = World(Whole(), Classify(10), 1, first="centre", frames=4)
    scenes = fixed_scenes(partial(clips, canvas=8, frames=4), split(), 0)
    seen = world.observe(world.open(scenes), world.first(scenes), 0)
    logits = agent.step(agent.start(world.context(scenes)), seen)[1].logits
    backwards = seen.glimpse.unflatten(3, (4, 8)).flip(3).flatten(3)
    again = agent.step(agent.start(world.context(scenes)), seen._replace(glimpse=backwards))[1]
    assert torch.allclose(again.logits, logits, atol=1e-5), "without attention, order is nothing"
