"""Exact gradients of tiny worlds by enumerating every episode, and slow reference estimators."""

import itertools
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from hardattn.distributions import (
    Categorical,
    Dirichlet,
    Gaussian,
    IndependentBernoulli,
    LocationDistribution,
    Stop,
)
from hardattn.rollout import Decision, Trajectory, rollout
from hardattn.scenes import Scenes
from hardattn.world import Observation, World


class Tiny(nn.Module):
    """An agent small enough to enumerate, in which every weight can be moved by every gradient.

    places: "points" chooses one of four points, "cells" one of four cells (one-hot), "mask" any of
    four patches, "gaussian" a point of the plane, "weights" weights over two cells. halts: draws
    when to stop. `guide` is a posterior of the same kind that sees the label.
    """

    def __init__(self, pixels: int, classes: int, places: str = "points", halts: bool = False):
        super().__init__()
        self.places, self.halts = places, halts
        self.core = nn.Linear(pixels + (4 if places in ("cells", "mask") else 2) + 1 + 4, 4)
        self.answer = nn.Linear(4, classes)
        width = 2 if places in ("gaussian", "weights") else 4
        self.where = nn.Linear(4, width)
        self.posterior = nn.Linear(4 + classes, width)
        self.classes = classes
        self.stop = nn.Linear(4, 1)
        self.critic = nn.Linear(4, 1)
        self.register_buffer(
            "centres", torch.tensor([[-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5], [0.5, 0.5]])
        )

    def start(self, context: Tensor) -> Tensor:
        return context.new_zeros(len(context), 4)

    def step(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
        inputs = [seen.glimpse.flatten(1), seen.location, seen.step[:, None], state]
        state = torch.tanh(self.core(torch.cat(inputs, 1)))
        halt = Stop(self.stop(state)[:, 0]) if self.halts else None
        value = self.critic(state.detach())[:, 0]
        place, cost = self.over(self.where(state)), 0.1 * state.pow(2).sum(1)
        return state, Decision(place, self.answer(state), value, cost, halt)

    def guide(self, state: Tensor, target: Tensor) -> LocationDistribution:
        label = nn.functional.one_hot(target, self.classes).to(state.dtype)
        return self.over(self.posterior(torch.cat([state, label], 1)))

    def over(self, where: Tensor) -> LocationDistribution:
        kinds: dict[str, Callable[[], LocationDistribution]] = {
            "points": lambda: Categorical(2 * where, self.centres),
            "cells": lambda: Categorical(2 * where),
            "mask": lambda: IndependentBernoulli(2 * where),
            "gaussian": lambda: Gaussian(0.5 * torch.tanh(where), 0.3),
            "weights": lambda: Dirichlet(1.5 + where.exp()),
        }
        return kinds[self.places]()


def support(places: LocationDistribution) -> tuple[Tensor, Tensor]:
    """Values (n, ...) that cover a distribution, and the log-volume that each stands for (n,).

    A Gaussian and weights are covered by grids fixed in space: the density carries the gradient.
    """
    if isinstance(places, Stop):
        return torch.tensor([0.0, 1.0]), torch.zeros(2)
    if isinstance(places, IndependentBernoulli):
        return torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 4), torch.zeros(16)
    if isinstance(places, Categorical):
        return places.centres, torch.zeros(len(places.centres))
    if isinstance(places, Dirichlet):
        one = (torch.arange(1000) + 0.5) / 1000
        return torch.stack([one, 1 - one], 1), torch.full((1000,), math.log(1 / 1000))
    line = torch.linspace(-2.2, 2.2, 75)
    values = torch.cartesian_prod(line, line)
    return values, torch.full((len(values),), 2 * math.log((line[1] - line[0]).item()))


def enumerate_episodes(agent: nn.Module, world: World, scenes: Scenes) -> tuple[Trajectory, Tensor]:
    """All P episodes of every scene in one rollout, and their probabilities (B * P,).

    Episode p of a scene takes value p // stride % n at each draw, in the order of draws.
    """
    sizes: list[int] = []

    def measure(places: LocationDistribution, generator: object = None) -> tuple[Tensor, Tensor]:
        values, _ = support(places)
        sizes.append(len(values))
        value = values[:1].expand(places.batch_shape + values.shape[1:])
        return value, places.log_prob(value)

    rollout(agent, world, scenes, measure)
    count = math.prod(sizes)
    strides = [math.prod(sizes[i + 1 :]) for i in range(len(sizes))]
    turn = itertools.count()
    weight: list[Tensor] = []

    def visit(places: LocationDistribution, generator: object = None) -> tuple[Tensor, Tensor]:
        i = next(turn)
        values, volume = support(places)
        which = (torch.arange(count) // strides[i] % sizes[i]).repeat(len(scenes))
        value = values[which]
        weight.append(places.log_prob(value) + volume[which])
        return value, places.log_prob(value)

    path = rollout(agent, world, scenes.repeat(count), visit)
    return path, torch.stack(weight).sum(0).exp()


def exact_gradient(agent: nn.Module, world: World, scenes: Scenes) -> Tensor:
    """(weights,): the gradient of E[loss + cost - reward], averaged over scenes."""
    path, probability = enumerate_episodes(agent, world, scenes)
    total = (path.loss + path.cost - path.reward).sum(0)
    expected = (probability * total).sum() / len(scenes)
    return flat_gradient(agent, expected)


def flat_gradient(agent: nn.Module, loss: Tensor, retain: bool = False) -> Tensor:
    """(weights,): one gradient, without the critic's, whose fit is not part of the estimate."""
    weights = [w for name, w in agent.named_parameters() if not name.startswith("critic.")]
    grads = torch.autograd.grad(loss, weights, allow_unused=True, retain_graph=retain)
    return torch.cat(
        [
            torch.zeros_like(w).flatten() if g is None else g.flatten()
            for w, g in zip(weights, grads, strict=True)
        ]
    )


Baseline = Callable[[Trajectory, int], Tensor]  # trajectory and episode -> (T,)


def exact_moments(
    agent: nn.Module, world: World, scene: Scenes, baseline: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Mean and variance (weights,) of a single-episode score-function gradient of one scene.

    One backward pass an episode, written from the definition and not from the library's code:
    grad(loss + cost) + sum_t (G_t - b_t) grad log p(draws of row t). `baseline` takes the (T,)
    critic values of an episode and gives the (T,) b.
    """
    path, probability = enumerate_episodes(agent, world, scene)
    rows = []
    for e in range(len(probability)):
        signal = (path.loss + path.cost - path.reward)[:, e]
        b = baseline(path.value[:, e].detach())
        total = torch.zeros(())
        for t in range(world.looks):
            to_go = sum(signal[s].item() for s in range(t, world.looks))
            total = (
                total
                + path.loss[t, e]
                + path.cost[t, e]
                + (to_go - b[t].item()) * path.log_prob[t, e]
            )
        rows.append(flat_gradient(agent, total, retain=True))
    gradient, p = torch.stack(rows), probability.detach()[:, None]
    mean = (p * gradient).sum(0)
    return mean, (p * gradient**2).sum(0) - mean**2
