"""Actor-critic: the critic's guesses stand in for part of what has not happened yet."""

import torch
from torch import Tensor

from hardattn.distributions import LocationDistribution
from hardattn.estimators.score_function import (
    Loss,
    expected,
    exploring,
    helped,
    misfit,
    surrogate,
)
from hardattn.rollout import Agent, Trajectory, rollout, sample
from hardattn.scenes import Scenes
from hardattn.world import World

Drawn = tuple[Tensor, None]  # values, whose density the rollout works out


def a2c(
    agent: Agent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None = None,
    *,
    gae_lambda: float = 0.95,
    ent_coef: float = 0.0,
    gamma: float = 1.0,
    per_look: bool = False,
    distil: float = 0.0,
) -> Loss:
    """Advantage actor-critic with generalised advantages (arXiv:1602.01783, arXiv:1506.02438).

    The entropy of the looks counts as a reward. Biased by the critic below gae_lambda 1, where,
    undiscounted, it is `entropy_bonus`. Paid by the look it is no gradient of the loss: with
    gamma 1 it is that of the last cross-entropy, whatever was asked on the way.

    Args:
        gae_lambda: Lambda of the generalised advantage.
        ent_coef: Weight of the entropy of the looks.
        gamma: Discount of what later looks are worth.
        per_look: Pay a look by how far the cross-entropy falls, not by the loss from there on.
        distil: Weight of what the last answer teaches those before it.
    """
    path = exploring(rollout(agent, world, scenes, sample, generator), ent_coef)
    signal = _paid(path, world, scenes, per_look)
    advantage, target = generalised_advantage(path, gae_lambda, gamma, signal)
    total = surrogate(path, advantage) + misfit(path, expected(path), target)
    return helped(Loss(total, path, advantage), scenes, distil)


def generalised_advantage(
    path: Trajectory, gae_lambda: float, discount: float = 1.0, signal: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """(T, B) advantages, sign of a loss, and (T, B) what the critic's guesses should be; detached.

    delta_t = signal_t + d guess_{t+1} - guess_t, A_t = sum_k (d gae_lambda)^k delta_{t+k}, of a
    discount d; a guess is of what comes at and after its row, and 0 once the episode is over.
    signal: (T, B), by default loss + cost - reward.
    """
    if signal is None:
        signal = path.loss + path.cost - path.reward
    guess = expected(path).detach() * path.alive
    ahead = torch.cat([guess[1:], torch.zeros_like(guess[:1])])
    delta = (signal.detach() + discount * ahead - guess) * path.alive
    rows, running = [], torch.zeros_like(delta[0])
    for look in reversed(range(len(delta))):
        running = delta[look] + discount * gae_lambda * running
        rows.append(running)
    advantage = torch.stack(rows[::-1])
    return advantage, advantage + guess


def falls(path: Trajectory, world: World, scenes: Scenes) -> Tensor:
    """(T, B): by how many nats each look made the cross-entropy fall, detached.

    The first from that of answers which are all alike; 0 once the episode is over.
    """
    after = torch.cat([path.alive[1:], torch.zeros_like(path.alive[:1])])
    answers, last = path.logits.detach(), path.alive - after
    gained = world.task.gained(answers, scenes.target, last, world.looks)
    return (gained - torch.cat([torch.zeros_like(gained[:1]), gained[:-1]])) * path.alive


def _paid(path: Trajectory, world: World, scenes: Scenes, per_look: bool) -> Tensor | None:
    """What looks are paid by, sign of a loss; None: by the loss."""
    return path.cost - falls(path, world, scenes) if per_look else None


def _clipped(change: Tensor, advantage: Tensor, clip_range: float) -> Tensor:
    """The larger loss of the two: no profit from a ratio of probabilities beyond its bound."""
    bounded = change.clamp(1 - clip_range, 1 + clip_range)
    return torch.maximum(change * advantage, bounded * advantage)


def ppo(
    agent: Agent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None = None,
    *,
    gae_lambda: float = 0.95,
    ent_coef: float = 0.0,
    gamma: float = 1.0,
    per_look: bool = False,
    distil: float = 0.0,
    clip_range: float = 0.2,
    update_epochs: int = 4,
) -> Loss:
    """Proximal policy optimisation (Schulman et al. 2017, arXiv:1707.06347). Biased.

    The first update, and its options, are those of `a2c`. `Loss.again` gives the others, which look
    at the same places again with the weights as they are then, each ratio of probabilities clipped.

    Args:
        gae_lambda: Lambda of the generalised advantage.
        ent_coef: Weight of the entropy of the looks.
        gamma: Discount of what later looks are worth.
        per_look: Pay a look by how far the cross-entropy falls, not by the loss from there on.
        distil: Weight of what the last answer teaches those before it.
        clip_range: How far a ratio of probabilities may go from 1.
        update_epochs: Updates from the same looks.
    """
    if update_epochs < 1 or clip_range <= 0:
        given = f"{update_epochs}, {clip_range}"
        raise ValueError(f"PPO needs update_epochs of at least 1 and clip_range > 0, not {given}")
    first = world.first(scenes, generator)
    drawn: list[Tensor] = []

    def remember(places: LocationDistribution, noise: torch.Generator | None) -> Drawn:
        drawn.append(sample(places, noise)[0])
        return drawn[-1], None

    path = exploring(rollout(agent, world, scenes, remember, generator, first), ent_coef)
    before = path.log_prob.detach()
    signal = _paid(path, world, scenes, per_look)
    advantage, target = generalised_advantage(path, gae_lambda, gamma, signal)

    def update(path: Trajectory, left: int) -> Loss:
        policy = _clipped((path.log_prob - before).exp(), advantage, clip_range)
        total = (path.loss + path.cost + policy * path.alive).sum(0).mean()
        total = total + misfit(path, expected(path), target)
        more = (lambda: again(left)) if left else None
        return helped(Loss(total, path, advantage, more), scenes, distil)

    def again(left: int) -> Loss:
        values = iter(drawn)

        def replay(places: LocationDistribution, noise: torch.Generator | None) -> Drawn:
            return next(values), None

        path = exploring(rollout(agent, world, scenes, replay, generator, first), ent_coef)
        return update(path, left - 1)

    return update(path, update_epochs - 1)
