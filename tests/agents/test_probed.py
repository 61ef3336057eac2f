"""A probe: linear in features of mean 0 and spread 1, and no gradient beyond it."""

import torch

from hardattn.agents.probed import Probe, Probed
from hardattn.sensors import Whole
from hardattn.tasks import Classify
from hardattn.world import World
from tests.support.agents import scenes


def test_a_probe_does_not_depend_on_the_scale_of_features() -> None:
    torch.manual_seed(0)
    probe, x = Probe(6, 3), torch.randn(50, 6)
    assert torch.allclose(probe(x), probe(100 * x + 7), atol=1e-3)
    assert len(list(probe.parameters())) == 2


def test_a_probed_step_is_the_step_and_moves_the_probe_alone() -> None:
    torch.manual_seed(0)
    agent = Probed((1, 12, 12), 10, 8, None, 4).eval()
    world = World(Whole(), Classify(10), 1, first="centre")
    seen = world.observe(world.open(scenes()), world.first(scenes()), 0)
    state = agent.start(world.context(scenes()))
    (_, decision), (_, probed) = agent.step(state, seen), agent.probed(state, seen)
    assert torch.equal(decision.logits, probed.logits)
    probed.logits.sum().backward()
    assert {name for name, one in agent.named_parameters() if one.grad is not None} == {
        "probe.answer.weight",
        "probe.answer.bias",
    }
