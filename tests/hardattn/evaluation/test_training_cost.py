"""What learning costs, against counts by hand."""

from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from hardattn.agents import RAM, SoftAgent
from hardattn.data import load
from hardattn.estimators import Loss, learned_baseline
from hardattn.estimators.actor_critic import ppo
from hardattn.evaluation.cost import flops
from hardattn.evaluation.training_cost import Learning, of_update
from hardattn.scenes import plain
from hardattn.sensors import Retina, Whole
from hardattn.tasks import Classify
from hardattn.world import World


def test_going_back_through_two_layers_is_a_product_for_weights_and_one_for_what_came_in() -> None:
    batch, width, hidden, classes = 4, 5, 7, 3
    net = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, classes))
    x, y = torch.randn(batch, width), torch.zeros(batch, dtype=torch.int64)
    with Learning() as counter:
        loss = F.cross_entropy(net(x), y)
        torch.autograd.grad(loss, list(net.parameters()))
    forward = 2 * batch * (width * hidden + hidden * classes)
    # Nothing goes back into the input of the first layer.
    assert counter.total == forward + forward + 2 * batch * hidden * classes


def test_a_sampled_image_goes_back_to_image_and_places() -> None:
    image, grid = torch.randn(1, 1, 6, 6, requires_grad=True), torch.zeros(1, 3, 3, 2)
    grid.requires_grad_()
    with Learning() as counter:
        seen = F.grid_sample(image, grid, align_corners=False)
        seen.sum().backward()
    assert counter.total == 8 * 9 + 2 * 8 * 9


def test_an_update_costs_about_three_times_a_look_and_leaves_no_trace() -> None:
    scenes = plain(load("digits").train, torch.arange(2))
    world = World(Whole(), Classify(10), 1)
    agent = SoftAgent((1, 8, 8), 10, width=8).train()
    before = [weight.clone() for weight in agent.parameters()]
    cost = of_update(agent, world, learned_baseline, scenes)
    look = flops(agent.eval(), world, scenes)
    assert 2 * look < cost.flops <= 3 * look + 100 and cost.uncounted > 0
    assert all(weight.grad is None for weight in agent.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, agent.parameters(), strict=True))


def test_it_is_a_mean_over_scenes() -> None:
    split = load("digits").train
    world = World(Retina(4, 2), Classify(10, each=True), 3)
    agent = RAM((2, 4, 4), 10, hidden=16)

    def cost(count: int) -> Any:
        return of_update(agent, world, learned_baseline, plain(split, torch.arange(count)))

    assert cost(2).flops == cost(6).flops
    assert isinstance(
        learned_baseline(agent, world, plain(split, torch.arange(2)), torch.Generator()), Loss
    )


def test_who_learns_three_times_from_the_same_looks_pays_for_them() -> None:
    scenes = plain(load("digits").train, torch.arange(2))
    world = World(Retina(4, 2), Classify(10, each=True, bonus=1.0), 3)
    agent = RAM((2, 4, 4), 10, hidden=16, joint=True)
    once, three = (
        of_update(agent, world, partial(ppo, update_epochs=epochs), scenes).flops
        for epochs in (1, 3)
    )
    assert 2 * once < three <= 3 * once
