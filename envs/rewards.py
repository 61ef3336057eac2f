"""What an action is worth: the task's reward, and what is added to it for learning."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from hardattn.tasks import Classify
from hardattn.world import World

from .actions import Act

Pick = Callable[[Tensor], Tensor]
MOST_CLASSES = 128  # of which what every answer is worth is asked beforehand


class Rewards:
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
        self.worth = None if self.charges else _worth(world, device)
        shape = (1 if self.last_only else world.looks, count)
        self.nothing = torch.zeros(count, device=device)
        self.logits = torch.zeros(*shape, world.task.classes, device=device)
        self.final = torch.zeros(shape, device=device)
        self.gained = self.nothing

    def begin(self, which: bool | Tensor) -> None:
        """Some, or all, begin anew."""
        if self.shaping:
            self.gained = (
                torch.where(which, 0.0, self.gained) if isinstance(which, Tensor) else self.nothing
            )

    def __call__(
        self, view: Any, target: Tensor, act: Act, look: int | Tensor, final: bool | Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """(B,) rewards and, of logits, losses; `nothing` itself where there are none.

        final: whether this is the last step, for all or for each.
        """
        if self.last_only and final is False and not self.shaping:
            return self.nothing, self.nothing if self.charges else None
        if self.worth is not None and act.choice is not None:
            answer = act.choice.clamp(0, self.logits.shape[-1] - 1)
            reward = self.worth.take(torch.add(target, answer, alpha=self.logits.shape[-1]))
            return (reward if final is True else reward * self._last(final)), None
        logits, last = self._said(act), self._last(final)
        task, looks = self.world.task, self.world.looks
        if self.last_only and not self.charges:
            return task.reward(logits[None], target, last[None], looks)[0], None
        rows, ends, pick = self._so_far(logits, last, look)
        reward, loss = map(pick, self.world.outcome(view, rows, target, ends))
        if not self.charges:
            return reward, None
        reward = reward - loss
        if self.shaping:
            gained = pick(task.gained(rows, target, ends, looks))
            reward, self.gained = reward + self.shaping * (gained - self.gained), gained
        return reward, loss

    def _so_far(
        self, logits: Tensor, last: Tensor, look: int | Tensor
    ) -> tuple[Tensor, Tensor, Pick]:
        """What was answered so far, where that ended, and how to pick this step's row of (T, B)."""
        if self.last_only:
            return logits[None], last[None], lambda rows: rows[0]
        if isinstance(look, int):
            self.logits[look], self.final[look] = logits, last
            return self.logits[: look + 1], self.final[: look + 1], lambda rows: rows[-1]
        row = look[None]
        self.logits.scatter_(0, row[..., None].expand(1, *logits.shape), logits[None])
        number = torch.arange(len(self.final), device=look.device)[:, None]
        self.final = last * (number == row)
        return self.logits, self.final, lambda rows: rows.gather(0, row)[0]

    def _said(self, act: Act) -> Tensor:
        if act.logits is not None:
            return act.logits
        return act.likelihood(self.world.task).view(self.logits.shape[1:])

    def _last(self, final: bool | Tensor) -> Tensor:
        if isinstance(final, Tensor):
            return final.to(self.nothing.dtype)
        return torch.full_like(self.nothing, float(final))


def _worth(world: World, device: torch.device) -> Tensor | None:
    """(K * K,) rewards of a class that is answered last, where the truth is a class, by both.

    Asked of the task itself, once; None where an answer is judged by more than these two.
    """
    task, classes = world.task, world.task.classes
    if not (world.judged_at_end and isinstance(task, Classify) and classes <= MOST_CLASSES):
        return None
    each = torch.arange(classes, device=device)
    answers = torch.eye(classes, device=device).repeat_interleave(classes, 0)
    ends = torch.ones(1, classes**2, device=device)
    return task.reward(answers[None], each.repeat(classes), ends, world.looks)[0]
