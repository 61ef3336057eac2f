"""DRAW's reader, and RAM with learned widths and spreads."""

import pytest
import torch
from torch import nn

from hardattn.agents import RAM
from hardattn.agents.gaussian import DrawReader, SpreadRAM, ZoomRAM
from hardattn.distributions import Gaussian
from hardattn.rollout import greedy, pathwise, rollout, sample
from hardattn.tasks import Classify
from tests.support.more_agents import SIDE, SMALL, build, generator, scenes


def test_draw_learns_where_and_how_wide_to_read_through_its_filters() -> None:
    """The loss of the second look alone reaches all five numbers."""
    agent, world = build(DrawReader)
    world.looks, world.task = 2, Classify(10)
    path = rollout(agent, world, scenes(), pathwise, generator())
    (grad,) = torch.autograd.grad(path.loss[1].sum(), agent.reader.bias)
    assert (grad != 0).all()
    assert path.log_prob.abs().max() == 0
    # Nothing is drawn: the greedy episode is the same.
    calm = rollout(agent, world, scenes(), greedy, None, path.location[0].detach())
    assert torch.equal(calm.logits, path.logits)


def test_draw_begins_with_a_wide_look() -> None:
    """Every pixel of the digit moves what is read next, so a gradient can lead there."""
    agent, world = build(DrawReader)
    nn.init.zeros_(agent.reader.weight)
    state = agent.start(world.context(scenes()))
    _, decision = agent.step(state, world.observe(world.open(scenes()), world.first(scenes()), 0))
    image = torch.rand(12, 1, SIDE, SIDE, requires_grad=True)
    seen = world.sensor.look(image, world.place(decision.location.mode).detach())
    seen.sum().backward()
    assert image.grad is not None
    middle = image.grad[:, 0, 3:-3, 3:-3]
    assert (middle > 0.05 * image.grad.max()).all()


def test_the_width_is_part_of_the_policy() -> None:
    agent, world = build(ZoomRAM, std=0.2)
    path = rollout(agent, world, scenes(), sample, generator())
    width = path.location[1:, :, 2]
    assert 0.1 < width.std() < 0.3
    (grad,) = torch.autograd.grad(path.log_prob[1].sum(), agent.locator.bias)
    assert grad.shape == (3,) and (grad != 0).all()


def test_zoom_ram_is_ram_at_a_fixed_width() -> None:
    """Apart from the third number, which moves the glimpse, nothing is new."""
    agent, _ = build(ZoomRAM)
    plain = RAM((1, 4, 4), 10, **SMALL)
    shapes = {name: weight.shape for name, weight in plain.named_parameters()}
    for name, weight in agent.named_parameters():
        if name in ("locator.weight", "locator.bias"):
            assert weight.shape[0] == shapes[name][0] + 1
        elif name == "glimpse.where.weight":
            assert weight.shape[1] == shapes[name][1] + 1
        else:
            assert weight.shape == shapes[name]


def test_spread_begins_at_std_and_then_is_ram() -> None:
    agent, world = build(SpreadRAM, std=0.3, floor=0.05)
    plain, _ = build(RAM, std=0.3)
    plain.load_state_dict({k: v for k, v in agent.state_dict().items() if "spread" not in k})
    one, other = (rollout(each, world, scenes(), sample, generator()) for each in (agent, plain))
    for name in ("location", "log_prob", "logits", "entropy"):
        assert torch.allclose(getattr(one, name), getattr(other, name), atol=1e-4)


def test_spread_is_learned_above_its_floor() -> None:
    """One place is rewarded: the density there grows, the spread falls, and stops at the floor."""
    agent, _ = build(SpreadRAM, std=0.3, floor=0.1)
    seen = torch.randn(5, 12, generator=generator())
    descent = torch.optim.Adam([*agent.locator.parameters(), *agent.spread.parameters()], 0.05)
    for _ in range(300):
        std = agent.floor + nn.functional.softplus(agent.spread(seen))
        place = Gaussian(torch.tanh(agent.locator(seen)), std)
        descent.zero_grad()
        place.log_prob(torch.full((5, 2), 0.5)).mean().neg().backward()
        descent.step()
    assert (std > 0.1).all() and (std < 0.12).all()
    with pytest.raises(ValueError, match="floor"):
        build(SpreadRAM, std=0.1, floor=0.1)


def test_spread_depends_on_what_was_seen() -> None:
    agent, world = build(SpreadRAM)
    nn.init.normal_(agent.spread.weight, std=5.0)
    state = agent.start(world.context(scenes()))
    _, decision = agent.step(state, world.observe(world.open(scenes()), world.first(scenes()), 0))
    assert decision.location.stddev.std(0).min() > 0.01
    assert (decision.location.stddev >= agent.floor).all()
