"""What an action is worth: the task's reward, and what is added to it for learning."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from hardattn.world import World

from .actions import Act


class Judge:
    """Rewards of B environments, step by step, as `World.outcome` gives them for whole episodes.

    With logits the reward is the world's minus its loss: what the estimators of hardattn ascend.
    shaping: this times what the answer's likelihood has gained since the last look, in nats; before
    the first look all answers are alike.
    """

    def __init__(self, world: World, count: int, answer: str, shaping: float, device: torch.device):
        if shaping and answer != "logits":
            raise ValueError("shaping is paid for likelihoods, so the answer must be logits")
        self.world, self.charges, self.shaping = world, answer == "logits", shaping
        self.last_only = world.judged_at_end
        shape = (1 if self.last_only else world.looks, count)
        self.nothing = torch.zeros(count, device=device)
        self.logits = torch.zeros(*shape, world.task.classes, device=device)
        self.final = torch.zeros(shape, device=device)
        self.unknown = torch.full_like(self.nothing, math.log(max(1, world.task.classes)))
        self.nll = self.unknown

    def begin(self, which: bool | Tensor) -> None:
        """Some, or all, begin anew."""
        if self.shaping:
            kept = torch.where(which, self.unknown, self.nll) if isinstance(which, Tensor) else None
            self.nll = self.unknown if kept is None else kept

    def __call__(
        self, view: Any, target: Tensor, act: Act, look: int | Tensor, final: bool | Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """(B,) rewards and, of logits, losses; `nothing` itself where there are none.

        final: whether this is the last step, for all or for each.
        """
        if self.last_only and final is False and not self.shaping:
            return self.nothing, self.nothing if self.charges else None
        logits, last = self._said(act), self._last(final)
        if self.last_only and not self.charges:
            task, looks = self.world.task, self.world.looks
            return task.reward(logits[None], target, last[None], looks)[0], None
        if self.last_only:
            reward, loss = self.world.outcome(view, logits[None], target, last[None])
            reward, loss = reward[0], loss[0]
        elif isinstance(look, int):
            self.logits[look], self.final[look] = logits, last
            so_far = self.logits[: look + 1], target, self.final[: look + 1]
            reward, loss = (each[-1] for each in self.world.outcome(view, *so_far))
        else:
            row = look[None]
            self.logits.scatter_(0, row[..., None].expand(1, *logits.shape), logits[None])
            number = torch.arange(len(self.final), device=look.device)[:, None]
            self.final = last * (number == row)
            judged = self.world.outcome(view, self.logits, target, self.final)
            reward, loss = (each.gather(0, row)[0] for each in judged)
        if not self.charges:
            return reward, None
        reward = reward - loss
        if self.shaping:
            nll = F.cross_entropy(logits, target, reduction="none")
            reward, self.nll = reward + self.shaping * (self.nll - nll), nll
        return reward, loss

    def _said(self, act: Act) -> Tensor:
        return act.likelihood(self.logits.shape[-1]) if act.logits is None else act.logits

    def _last(self, final: bool | Tensor) -> Tensor:
        if isinstance(final, Tensor):
            return final.to(self.nothing.dtype)
        return torch.full_like(self.nothing, float(final))
