"""An agent that is shown normalised images is the agent, shown normalised images."""

import copy

import pytest
import torch

from hardattn.agents import RAM, FullView, GuidedRAM, Normalised, SoftAgent
from hardattn.data import Split, moments
from hardattn.rollout import greedy, rollout
from hardattn.scenes import Scenes
from hardattn.sensors import Retina, Whole
from hardattn.tasks import Classify
from hardattn.world import Observation, World

MEAN, SPREAD = torch.tensor([0.2, 0.5, 0.7]), torch.tensor([0.1, 0.25, 0.5])


def scenes(count: int = 4) -> Scenes:
    torch.manual_seed(0)
    image = torch.randint(256, (count, 3, 16, 12), dtype=torch.uint8)
    index = torch.arange(count)
    return Scenes(image, index % 2, torch.zeros(count, 1, 4), index)


def test_every_scale_of_a_glimpse_has_its_channels_normalised() -> None:
    """As if each channel were an image of its own, shown through a retina of one channel."""
    sensor, some = Retina(4, 3), scenes()
    agent = Normalised(RAM(sensor.shape((3, 16, 12)), 2), sensor.shape((3, 16, 12)), 3)
    agent.of(MEAN, SPREAD)
    place = torch.rand(4, 2) - 0.5
    told = agent._seen(sensor.look(sensor.open(some.image), place)).unflatten(1, (3, 3))
    for channel in range(3):
        alone = sensor.look(sensor.open(some.image[:, channel : channel + 1]), place)
        wanted = (alone - MEAN[channel]) / SPREAD[channel]
        assert torch.allclose(told[:, :, channel], wanted)


def test_it_changes_what_is_seen_and_nothing_else() -> None:
    torch.manual_seed(1)
    world = World(Whole(), Classify(2), looks=1, first="centre")
    inner = FullView((3, 16, 12), 2, net="cnn").eval()
    agent, some = Normalised(copy.deepcopy(inner), (3, 16, 12), 3).eval(), scenes()
    with torch.no_grad():
        before = rollout(agent, world, some, greedy)
        assert torch.equal(before.logits, rollout(inner, world, some, greedy).logits)
        agent.of(MEAN, SPREAD)
        after = rollout(agent, world, some, greedy).logits[0]
        whole = (some.image / 255.0 - MEAN.view(3, 1, 1)) / SPREAD.view(3, 1, 1)
        nowhere = torch.zeros(4, 2)
        _, decision = inner.step(inner.start(nowhere[:, :0]), Observation(whole, nowhere, MEAN))
    assert torch.allclose(after, decision.logits, atol=1e-5)
    assert not torch.equal(after, before.logits[0])


def test_a_coarse_view_is_normalised_and_a_place_is_not() -> None:
    class Told(torch.nn.Module):
        def start(self, context: torch.Tensor) -> torch.Tensor:
            return context

    agent = Normalised(Told(), (3, 4, 4), 3)
    agent.of(MEAN, SPREAD)
    assert agent.start(torch.ones(1, 3, 2, 2))[0, :, 0, 0].tolist() == pytest.approx([8, 2, 0.6])
    assert agent.start(torch.ones(5, 2)).eq(1).all() and agent.start(torch.ones(5, 0)).numel() == 0


def test_mean_and_spread_go_with_the_weights() -> None:
    images = scenes(50).image
    agent = Normalised(SoftAgent((3, 16, 12), 2), (3, 16, 12), 3)
    agent.of(*moments(Split(images, torch.zeros(50, dtype=torch.int64))))
    other = Normalised(SoftAgent((3, 16, 12), 2), (3, 16, 12), 3)
    other.load_state_dict(agent.state_dict())
    assert torch.equal(other.mean, agent.mean) and torch.equal(other.spread, agent.spread)
    seen = other._seen(images / 255.0)
    assert seen.mean((0, 2, 3)).abs().max() < 1e-5
    assert (seen.std((0, 2, 3), correction=0) - 1).abs().max() < 1e-5


def test_what_an_estimator_asks_for_is_found_inside() -> None:
    inner = GuidedRAM((1, 4, 4), 2)
    agent = Normalised(inner, (1, 4, 4), 1)
    assert agent.guide == inner.guide and not hasattr(agent, "unattended")


def test_a_glimpse_without_channels_is_refused() -> None:
    with pytest.raises(ValueError, match="does not show 3 channels"):
        Normalised(FullView((4, 4, 4), 2), (4, 4, 4), 3)
