"""Exact expectations, where the episodes are few enough to visit them all."""

import torch
from torch import Tensor

from hardattn.distributions import (
    Categorical,
    Delta,
    IndependentBernoulli,
    LocationDistribution,
    Stop,
)
from hardattn.estimators.score_function import Loss
from hardattn.rollout import Agent, Trajectory, branched, rollout
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

    Args:
        limit: The most episodes that are visited of a scene.
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

    Args:
        limit: The most episodes that are visited of a scene.
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

    Every draw branches, so that what episodes have in common is computed once. The number of
    choices at a draw must not depend on what was drawn before.
    """
    log_prob = torch.zeros(len(scenes), 1, device=scenes.device)

    def visit(places: LocationDistribution, noise: torch.Generator | None) -> tuple[Tensor, Tensor]:
        nonlocal log_prob
        values, log_probs = _support(places, limit)
        count = log_prob.shape[1] * values.shape[1]
        if count > limit:
            raise ValueError(
                f"at least {count} episodes a scene are too many to enumerate (limit={limit})"
            )
        # Stopping has branched already where the place is drawn, and the decision is of before.
        times = log_prob.numel() // len(values)
        values, log_probs = branched(values, times), branched(log_probs, times)
        log_prob = (log_prob.flatten()[:, None] + log_probs).view(len(scenes), -1)
        return values.flatten(0, 1), log_probs.flatten()

    path = rollout(agent, world, scenes, visit, generator)
    return path, log_prob


def _support(places: LocationDistribution, limit: int) -> tuple[Tensor, Tensor]:
    """Every value, (B, n, P), and its log-probability, (B, n)."""
    if isinstance(places, Categorical):
        values = places.centres.expand(len(places.logits), -1, -1)
        return values, places.logits
    if isinstance(places, Stop):
        values = places.logits.new_tensor([0.0, 1.0]).expand(len(places.logits), -1)
        return values, torch.stack([places.log_prob(values[:, i]) for i in range(2)], 1)
    if isinstance(places, IndependentBernoulli) and 2 ** places.logits.shape[1] <= limit:
        wide = places.logits.shape[1]
        bits = torch.arange(2**wide, device=places.logits.device)[:, None] >> torch.arange(
            wide, device=places.logits.device
        )
        masks = (bits & 1).to(places.logits.dtype)
        values = masks.expand(len(places.logits), -1, -1)
        log_probs = masks @ places.logits.T - torch.nn.functional.softplus(places.logits).sum(1)
        return values, log_probs.T
    if isinstance(places, Delta):
        return places.place[:, None], torch.zeros_like(places.place[:, :1])
    raise ValueError(f"{type(places).__name__} has too many values to enumerate")
