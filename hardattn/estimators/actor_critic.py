"""Actor-critic: the critic's guesses stand in for part of what has not happened yet."""

import torch
from torch import Tensor

from hardattn.distributions import LocationDistribution
from hardattn.estimators.score_function import Loss, expected, exploring, misfit, surrogate
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
) -> Loss:
    """Advantage actor-critic with generalised advantages (arXiv:1602.01783, arXiv:1506.02438).

    Nothing is discounted; the entropy of the looks counts as a reward. Biased by the critic below
    gae_lambda 1, where it is `entropy_bonus`.

    Args:
        gae_lambda: Lambda of the generalised advantage.
        ent_coef: Weight of the entropy of the looks.
    """
    path = exploring(rollout(agent, world, scenes, sample, generator), ent_coef)
    advantage, target = generalised_advantage(path, gae_lambda)
    guess = expected(path)
    return Loss(surrogate(path, advantage) + misfit(path, guess, target), path, advantage)


def generalised_advantage(path: Trajectory, gae_lambda: float) -> tuple[Tensor, Tensor]:
    """(T, B) advantages, sign of a loss, and (T, B) what the critic's guesses should be; detached.

    delta_t = signal_t + guess_{t+1} - guess_t, A_t = sum_k gae_lambda^k delta_{t+k}; a guess is of
    what comes at and after its row, and 0 once the episode is over.
    """
    signal = (path.loss + path.cost - path.reward).detach()
    guess = expected(path).detach() * path.alive
    ahead = torch.cat([guess[1:], torch.zeros_like(guess[:1])])
    delta = (signal + ahead - guess) * path.alive
    rows, running = [], torch.zeros_like(delta[0])
    for look in reversed(range(len(delta))):
        running = delta[look] + gae_lambda * running
        rows.append(running)
    advantage = torch.stack(rows[::-1])
    return advantage, advantage + guess


def ppo(
    agent: Agent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None = None,
    *,
    gae_lambda: float = 0.95,
    ent_coef: float = 0.0,
    clip_range: float = 0.2,
    update_epochs: int = 4,
) -> Loss:
    """Proximal policy optimisation (Schulman et al. 2017, arXiv:1707.06347). Biased.

    gae_lambda, ent_coef, and the first update, are those of `a2c`. `Loss.again` gives the other
    update_epochs - 1, which look at the same places again with the weights as they are then, each
    ratio of probabilities clipped.

    Args:
        gae_lambda: Lambda of the generalised advantage.
        ent_coef: Weight of the entropy of the looks.
        clip_range: How far a ratio of probabilities may go from 1.
        update_epochs: Updates from the same looks.
    """
    if update_epochs < 1 or clip_range <= 0:
        given = f"{update_epochs}, {clip_range}"
        raise ValueError(f"PPO needs update_epochs of at least 1 and clip_range > 0, not {given}")
    first = world.first(scenes, generator)
    drawn: list[Tensor] = []

    def remember(places: LocationDistribution, noise: torch.Generator | None) -> Drawn:
        value, told = sample(places, noise)
        drawn.append(value)
        return value, told

    path = exploring(rollout(agent, world, scenes, remember, generator, first), ent_coef)
    before = path.log_prob.detach()
    advantage, target = generalised_advantage(path, gae_lambda)

    def update(path: Trajectory, left: int) -> Loss:
        change = (path.log_prob - before).exp()
        bounded = change.clamp(1 - clip_range, 1 + clip_range)
        # The larger loss of the two: no profit from a ratio beyond its bound.
        policy = torch.maximum(change * advantage, bounded * advantage)
        total = (path.loss + path.cost + policy * path.alive).sum(0).mean()
        total = total + misfit(path, expected(path), target)
        return Loss(total, path, advantage, (lambda: again(left)) if left else None)

    def again(left: int) -> Loss:
        values = iter(drawn)

        def replay(places: LocationDistribution, noise: torch.Generator | None) -> Drawn:
            return next(values), None

        path = exploring(rollout(agent, world, scenes, replay, generator, first), ent_coef)
        return update(path, left - 1)

    return update(path, update_epochs - 1)
