"""Learning to compare: losses of one-shot search and of few-shot learning."""

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from hardattn.distributions import full
from hardattn.estimators.critic import LastState
from hardattn.estimators.score_function import Loss, credit, surrogate
from hardattn.rollout import Agent, rollout, sample
from hardattn.scenes import Scenes
from hardattn.world import World


def margin_ranking(
    agent: Agent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None = None,
    *,
    weight: float = 3.0,
    upper: float = 0.7,
    lower: float = 0.3,
) -> Loss:
    """REINFORCE, and a ranking of places by margins (Hsieh et al. 2019, arXiv:1911.12529). Biased.

    s_i is the sigmoid of place i's logit less that of the last answer, which stands for none of
    them; y_i is 1 for the true place and 0 for any other. Added to the task's loss is the weight
    times the mean over i of y_i max(upper - s_i, 0) + (1 - y_i) max(s_i - lower, 0), and the mean
    over pairs i < j of max(|s_i - s_j| - lower, 0) where y_i = y_j, else of
    max(upper - |s_i - s_j|, 0). Of the answers at the last look.

    Departures: means for sums; among places, of which there are as many in each scene, for the 128
    proposals of a detector.

    Args:
        weight: Weight of the ranking beside the task's loss.
        upper: Margin above which true places are to score.
        lower: Margin below which all others are.
    """
    path = rollout(agent, world, scenes, sample, generator)
    if scenes.target.dim() != 1:
        raise ValueError("places are ranked by one answer, which is one of them, or none")
    advantage = credit(path)
    logits = full(path.logits[-1])
    ranked = _ranking(logits, scenes.target, upper, lower)
    cost = torch.cat([path.cost[:-1], path.cost[-1:] + weight * ranked])
    path = path._replace(cost=cost)
    return Loss(surrogate(path, advantage), path, advantage)


def _ranking(logits: Tensor, target: Tensor, upper: float, lower: float) -> Tensor:
    """(B, K) answers, (B,) targets -> (B,): how far places are from being ranked by margins."""
    score = torch.sigmoid(logits[:, :-1] - logits[:, -1:])
    true = F.one_hot(target, logits.shape[1])[:, :-1].to(score)
    alone = true * (upper - score).clamp_min(0) + (1 - true) * (score - lower).clamp_min(0)
    places = score.shape[1]
    one, other = torch.triu_indices(places, places, offset=1, device=score.device)
    apart = (score[:, one] - score[:, other]).abs()
    alike = true[:, one] == true[:, other]
    pairs = torch.where(alike, (apart - lower).clamp_min(0), (upper - apart).clamp_min(0))
    if not pairs.shape[1]:
        return alone.mean(1)
    return alone.mean(1) + pairs.mean(1)


class ComparingAgent(Agent, Protocol):
    """An agent that compares place by place, as `agents.CrossAttention`."""

    def named(self, attended: Tensor) -> Tensor:
        """(B, P, D) -> (B, P, labels): of which class each place of a query is said to be."""


def cross_attention(
    agent: ComparingAgent,
    world: World,
    scenes: Scenes,
    generator: torch.Generator | None = None,
    *,
    local: float = 0.5,
) -> Loss:
    """The two losses of the cross attention network (Hou et al. 2019, arXiv:1910.07677). Biased.

    local * L1 + L2, both the mean cross-entropy over the places of the query: L1 of the nearest
    mean of a class of the episode, L2 of the class among all of the training, which is said of
    the query's features as they were attended to for its true class. What the agent answers, by
    means over places, is measured and not taught. `path.loss` is this sum.

    Args:
        local: Weight of the classification within an episode beside that among all classes.
    """
    if not hasattr(agent, "named"):
        name = type(agent).__name__
        raise ValueError(f"{name} compares nothing place by place: use agents.CrossAttention")
    shown = LastState(agent)
    path = rollout(shown, world, scenes, sample, generator)
    by_place, attended = shown.state
    places, row = by_place.shape[2], torch.arange(len(by_place), device=by_place.device)
    label = scenes.label if len(scenes.label) else scenes.target
    said = agent.named(attended[row, scenes.target])
    near = _mean_loss(full(by_place).mT, scenes.target[:, None].expand(-1, places))
    loss = local * near + _mean_loss(full(said), label[:, None].expand(-1, places))
    path = path._replace(loss=loss.expand_as(path.loss) / len(path.loss))
    return Loss(surrogate(path, torch.zeros_like(path.loss)), path, torch.zeros_like(path.loss))


def _mean_loss(logits: Tensor, target: Tensor) -> Tensor:
    """(B, P, K), (B, P) -> (B,) nats."""
    loss: Any = F.cross_entropy(logits.movedim(2, 1), target, reduction="none")
    return loss.mean(1)
