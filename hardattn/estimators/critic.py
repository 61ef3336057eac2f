"""Attention that pleases a critic, who learns to foresee what the attention is worth."""

from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from hardattn.estimators.multi_sample import one_draw
from hardattn.estimators.score_function import Loss
from hardattn.rollout import Agent, Decision, rollout, soft
from hardattn.scenes import Scenes
from hardattn.world import Observation, World


class JudgedAgent(Agent, Protocol):
    """An agent whose state has `features` (B, N, D) and `gate` (B, D), as `agents.SCAL`'s has."""

    features: int  # D


class AttentionCritic(nn.Module):
    """V = C(features, attention): (B, N, D), (B, N) weights, (B, D) gates -> (B,).

    mean_n relu(W [a_n; N w_n]), the gate beside it, and one layer more.
    """

    def __init__(self, features: int, hidden: int):
        super().__init__()
        self.cell = nn.Linear(features + 1, hidden)
        self.middle = nn.Linear(hidden + features, hidden)
        self.value = nn.Linear(hidden, 1)

    def forward(self, features: Tensor, weights: Tensor, gate: Tensor) -> Tensor:
        share = weights[..., None] * weights.shape[1]
        pooled = F.relu(self.cell(torch.cat([features, share], 2))).mean(1)
        return self.value(F.relu(self.middle(torch.cat([pooled, gate], 1))))[:, 0]


class SelfCriticalAttention(nn.Module):
    """Soft attention that also ascends a critic's value (SCAL, Chen et al., ICCV 2019). Biased.

    loss - weight V(attention) + (V - r)^2, with r = [right] + [p(y | with) > p(y | without)]. The
    answer without attention is the first of two, before any look was chosen. The value moves the
    attention through the critic, whose weights only its own error moves; it judges features that
    it does not move. Biased by the critic: V is not r. The critic is gone in evaluation.
    Departure: the paper's weight, and its critic's sizes, were not at hand.

    Args:
        weight: Of the critic's guess beside the loss.
        hidden: Units of the net that learns beside the agent.
    """

    def __init__(self, agent: JudgedAgent, world: World, *, weight: float = 0.1, hidden: int = 64):
        super().__init__()
        self.weight = weight
        if not isinstance(getattr(agent, "features", None), int):
            raise ValueError(f"{type(agent).__name__} attends to no features: use SCAL's agent")
        self.critic = AttentionCritic(agent.features, hidden)

    def forward(
        self,
        agent: JudgedAgent,
        world: World,
        scenes: Scenes,
        generator: torch.Generator | None = None,
    ) -> Loss:
        one_draw(world, "self-critical attention")
        if world.task.rewarding:
            raise ValueError("no gradient reaches a reward through soft attention: use bonus=0")
        if scenes.target.dim() != 1:
            raise ValueError("a self-critical attention is right or wrong about one question")
        shown = LastState(agent)
        path = rollout(shown, world, scenes, soft, generator)
        features, gate, place = shown.state.features.detach(), shown.state.gate, path.location[-1]

        answer = path.logits.detach()
        without, given = world.task.belief(answer, scenes.target)
        right = answer[-1].argmax(-1) == scenes.target
        reward = right.to(given.dtype) + (given > without).to(given.dtype)

        fixed = {name: weight.detach() for name, weight in self.critic.named_parameters()}
        value = functional_call(self.critic, fixed, (features, place, gate))
        foreseen = self.critic(features, place.detach(), gate.detach())
        total = (path.loss + path.cost).sum(0) - self.weight * value + (foreseen - reward) ** 2
        told = torch.stack([torch.zeros_like(reward), -reward])
        return Loss(total.mean(), path, told)


class LastState:
    """The agent, whose last state can be read."""

    def __init__(self, agent: Agent):
        self.agent = agent

    def start(self, context: Tensor) -> Any:
        return self.agent.start(context)

    def step(self, state: Any, seen: Observation) -> tuple[Any, Decision]:
        self.state, decision = self.agent.step(state, seen)
        return self.state, decision
