"""Exact expectations, where the episodes are few enough to visit them all."""

import math

import torch
from torch import Tensor

from hardattn.distributions import Choice, Fixed, Mask, Places, Stop
from hardattn.estimators.score_function import Loss
from hardattn.rollout import Agent, Trajectory, rollout
from hardattn.scenes import Scenes
from hardattn.world import World


def enumerated(
    agent: Agent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None = None,
    *,
    limit: int = 1024,
) -> Loss:
    """E[loss + cost - reward] itself, over every episode that can be drawn. No variance, unbiased.

    Raises ValueError if a scene has more than `limit` episodes, or if a place is not one of a few.
    """
    path, log_prob = every_episode(agent, world, scenes, generator, limit)
    outcome = (path.loss + path.cost - path.reward).sum(0).unflatten(0, (len(scenes), -1))
    total = (log_prob.exp() * outcome).sum(1).mean()
    return Loss(total, path, torch.zeros_like(path.loss))


def marginal_likelihood(
    agent: Agent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None = None,
    *,
    limit: int = 1024,
) -> Loss:
    """-log E[exp(-loss)] over every episode: the exact log likelihood of Deng et al. (2018).

    (arXiv:1807.03756.) Biased as a gradient of E[loss], which is above it by Jensen's inequality.
    The loss should be one log-likelihood: a task that asks once, after the last look.
    """
    if world.task.rewarding:
        raise ValueError("a likelihood has no place for a reward: use a task with bonus=0")
    path, log_prob = every_episode(agent, world, scenes, generator, limit)
    fit = -(path.loss + path.cost).sum(0).unflatten(0, (len(scenes), -1))
    total = -torch.logsumexp(log_prob + fit, 1).mean()
    return Loss(total, path, torch.zeros_like(path.loss))


def every_episode(
    agent: Agent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None,
    limit: int,
) -> tuple[Trajectory, Tensor]:
    """All E episodes of each scene, (T, B * E), and their log-probabilities (B, E).

    The number of choices at a draw must not depend on what was drawn before.
    """
    first = world.first(scenes, generator)
    sizes: list[int] = []

    def count(places: Places, noise: torch.Generator | None) -> tuple[Tensor, Tensor]:
        values, log_probs = _support(places, limit)
        sizes.append(values.shape[1])
        return values[:, 0], log_probs[:, 0]

    with torch.no_grad():
        rollout(agent, world, scenes, count, generator, first)
    episodes = math.prod(sizes)
    if episodes > limit:
        raise ValueError(f"{episodes} episodes a scene are too many to enumerate (limit={limit})")
    draws = iter(range(len(sizes)))
    log_prob: list[Tensor] = []

    def visit(places: Places, noise: torch.Generator | None) -> tuple[Tensor, Tensor]:
        turn = next(draws)
        values, log_probs = _support(places, limit)
        stride = math.prod(sizes[turn + 1 :])
        episode = torch.arange(episodes, device=values.device)
        which = (episode // stride % sizes[turn]).repeat(len(scenes))
        row = torch.arange(len(which), device=values.device)
        log_prob.append(log_probs[row, which])
        return values[row, which], log_prob[-1]

    path = rollout(
        agent,
        world,
        scenes.repeat(episodes),
        visit,
        generator,
        first.repeat_interleave(episodes, 0),
    )
    nothing = path.loss.new_zeros(path.loss.shape[1])
    return path, sum(log_prob, nothing).unflatten(0, (len(scenes), -1))


def _support(places: Places, limit: int) -> tuple[Tensor, Tensor]:
    """Every value, (B, n, P), and its log-probability, (B, n)."""
    if isinstance(places, Choice):
        values = places.centres.expand(len(places.logits), -1, -1)
        return values, places.logits
    if isinstance(places, Stop):
        values = places.logits.new_tensor([0.0, 1.0]).expand(len(places.logits), -1)
        return values, torch.stack([places.log_prob(values[:, i]) for i in range(2)], 1)
    if isinstance(places, Mask) and 2 ** places.logits.shape[1] <= limit:
        wide = places.logits.shape[1]
        bits = torch.arange(2**wide, device=places.logits.device)[:, None] >> torch.arange(
            wide, device=places.logits.device
        )
        masks = (bits & 1).to(places.logits.dtype)
        values = masks.expand(len(places.logits), -1, -1)
        log_probs = masks @ places.logits.T - torch.nn.functional.softplus(places.logits).sum(1)
        return values, log_probs.T
    if isinstance(places, Fixed):
        return places.place[:, None], torch.zeros_like(places.place[:, :1])
    raise ValueError(f"{type(places).__name__} has too many values to enumerate")
