"""Models of Stable-Baselines3 as agents of the harness."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Normal

from hardattn.distributions import Categorical, Delta, Gaussian, LocationDistribution, Stop
from hardattn.rollout import Decision
from hardattn.world import Observation

CERTAIN = 100.0  # logits of an answer that has no probability: this one, and no other


class SB3Agent(nn.Module):
    """What a model learned on an environment, PPO, A2C, SAC, RecurrentPPO, ..., in its world.

    model: of Stable-Baselines3 or sb3-contrib. env: with flat actions, and the spaces that the
    model was made for; it is not stepped. Greedy looks and answers are those of
    `model.predict(..., deterministic=True)` on that environment.

    The next place is distributed as the policy has it: over cells a `Categorical`, of a Box a
    `Gaussian` around the deterministic action. Of policies that squash their draws (SAC, TD3) it is
    that action alone, `Delta`. What the answer is thought to be worth: of a MultiDiscrete the
    policy's distribution over classes; of a Box with answer="logits" those of the deterministic
    action; of a Box with answer="class" all on the largest, so that likelihood and calibration say
    nothing. The value is 0: theirs is of a look together with its answer, ours of what follows.
    Nothing is differentiable through a Box, so there is nothing here to be trained further.

    Departures from how such models act in training: the noise of a Box is added to an action that
    is clipped, where they clip their sum; answers carry no noise.
    """

    low: Tensor
    high: Tensor

    def __init__(self, model: Any, env: Any):
        super().__init__()
        self.policy = model.policy
        self.actions, self.observations = env.actions, env.observations
        pairs = {
            "actions": (model.action_space, self.actions.space),
            "observations": (model.observation_space, self.observations.space),
        }
        for what, (known, given) in pairs.items():
            if known != given:
                raise ValueError(f"the model knows {what} in {known}, not in {given}")
        self.recurrent = hasattr(self.policy, "lstm_actor")
        if self.actions.mode != "cell":
            for name in ("low", "high"):
                bound = torch.as_tensor(getattr(self.actions.space, name))
                self.register_buffer(name, bound, persistent=False)

    def start(self, context: Tensor) -> tuple[Tensor, ...]:
        """The context and, of a recurrent policy, hidden and cell state, (B, layers, features)."""
        if not self.recurrent:
            return (context,)
        layers, _, width = self.policy.lstm_hidden_state_shape
        hidden = torch.zeros(len(context), layers, width, device=context.device)
        return context, hidden, torch.zeros_like(hidden)

    def step(
        self, state: tuple[Tensor, ...], seen: Observation
    ) -> tuple[tuple[Tensor, ...], Decision]:
        context, *memory = state
        observation = self.observations.of(seen, context)
        given: Any = None
        if self.recurrent:
            before = tuple(each.transpose(0, 1).contiguous() for each in memory)
            begun = torch.zeros_like(seen.step)
            given, after = self.policy.get_distribution(observation, before, begun)
            memory = [each.transpose(0, 1) for each in after]
        elif hasattr(self.policy, "get_distribution"):
            given = self.policy.get_distribution(observation)
        if given is None:
            decision = self._certain(self.policy._predict(observation, deterministic=True), seen)
        elif self.policy.squash_output:
            decision = self._certain(given.mode(), seen)
        elif isinstance(given.distribution, Normal):
            decision = self._spread(given.distribution, seen)
        else:
            decision = self._chosen(given.distribution, seen)
        return (context, *memory), decision

    def _chosen(self, parts: list[Any], seen: Observation) -> Decision:
        """Of a MultiDiscrete: a cell, a class, whether to stop."""
        logits = parts[1].logits if self.actions.answer == "class" else None
        stop = None
        if self.actions.stop:
            stop = Stop(parts[-1].logits[:, 1] - parts[-1].logits[:, 0])
        return self._decision(
            Categorical(parts[0].logits, self.actions.centres), logits, stop, seen
        )

    def _spread(self, parts: Normal, seen: Observation) -> Decision:
        """Of a Box, with noise. It stops as probably as its number is above 0."""
        mean, std = parts.mean, parts.stddev
        act = self.actions.read(mean.clamp(self.low, self.high), seen.location)
        unit = self.actions.world.reach if self.actions.mode == "move" else 1.0
        place = Gaussian(act.location, unit * std[:, : act.location.shape[1]])
        stop = None
        if self.actions.stop:
            share = mean[:, -1] / std[:, -1]
            above, below = (torch.special.log_ndtr(each) for each in (share, -share))
            stop = Stop(above - below)
        return self._decision(place, self._answered(act), stop, seen)

    def _certain(self, action: Tensor, seen: Observation) -> Decision:
        """Of a Box, from a policy whose actions are squashed into [-1, 1]."""
        action = self.low + 0.5 * (action + 1.0) * (self.high - self.low)
        act = self.actions.read(action, seen.location)
        stop = None if act.stop is None else Stop(torch.where(act.stop, CERTAIN, -CERTAIN))
        return self._decision(Delta(act.location), self._answered(act), stop, seen)

    def _answered(self, act: Any) -> Tensor | None:
        if act.choice is None:
            return act.logits
        return CERTAIN * act.likelihood(self.actions.world.task).flatten(1)

    def _decision(
        self,
        place: LocationDistribution,
        logits: Tensor | None,
        stop: Stop | None,
        seen: Observation,
    ) -> Decision:
        nought = torch.zeros_like(seen.step)
        if logits is None:
            logits = nought.new_zeros(len(nought), self.actions.classes)
        return Decision(place, logits, nought, nought, stop)
