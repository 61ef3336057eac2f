"""DINO's network: cosines with prototypes, and views of an image that come to be told alike."""

import torch

from hardattn.agents import SelfDistilled
from hardattn.agents.self_distilled import Projection
from tests.hardattn.estimators.test_pretraining import WORLD, built, scenes


def test_a_projection_is_of_cosines() -> None:
    torch.manual_seed(0)
    project = Projection(8, 16, 5)
    x = torch.randn(4, 8)
    found = project(x)
    assert found.shape == (4, 5) and found.abs().max() <= 1 + 1e-6
    with torch.no_grad():
        project.prototypes.weight.mul_(3.0)
    assert torch.allclose(project(x), found, atol=1e-6), "prototypes count by their direction"


def test_it_has_what_its_estimator_asks_for() -> None:
    agent = SelfDistilled((1, 12, 12), 10, width=8, prototypes=7)
    assert agent.project(agent.represent(torch.rand(2, 1, 12, 12))).shape == (2, 7)


def test_views_are_told_alike_and_images_apart() -> None:
    """The loss falls below that of all prototypes alike, log 64, and differs by image."""
    agent, estimator = built("self_distillation", pretraining=1000)
    descent = torch.optim.Adam(agent.parameters(), 3e-3)
    noise, given = torch.Generator().manual_seed(1), scenes(32)
    for _ in range(40):
        descent.zero_grad()
        loss = estimator(agent, WORLD, given, noise)
        loss.total.backward()
        descent.step()
    assert loss.total < 4.1 < torch.tensor(64.0).log()
    said = agent.project(agent.represent(WORLD.open(given)))
    assert said.std(0).mean() > 1e-3, "not one thing of all images"
