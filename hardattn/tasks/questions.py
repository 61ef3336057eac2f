"""Several questions answered at once: of which class each place is, where each key point is."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from hardattn.clustering import Columns
from hardattn.tasks.task import apart, said

NO_LAYOUT = (0, 0)


class Questions:
    """P questions with K answers each, all of them answered after every look.

    Logits are (T, B, P * K), the answers to the first question first; targets (B, P), -1 where a
    question is not asked. The loss is the cross-entropy in nats, mean over the questions that are
    asked, as `Classify` has it of one; `bonus` is the reward for all of them right, of which each
    that is right earns its share. A scene that asks nothing costs and earns nothing.

    classes: P * K, the width of an answer. choices: K. each: as in `Classify`. asked_at: the rows
    and columns in which the questions lie over the image, row by row, as cells of a mask do.
    answered_at: those in which the answers to one question lie over it, as places of a key point
    do. (0, 0): they are no places.
    """

    def __init__(
        self,
        classes: int,
        choices: int,
        each: bool = False,
        bonus: float = 0.0,
        asked_at: tuple[int, int] = NO_LAYOUT,
        answered_at: tuple[int, int] = NO_LAYOUT,
    ):
        if choices < 1 or classes % choices or classes == choices:
            raise ValueError(
                f"{classes} numbers are no answer of {choices} to each of several questions"
            )
        many = classes // choices
        for what, layout, count in (
            ("questions", asked_at, many),
            ("answers", answered_at, choices),
        ):
            if layout != NO_LAYOUT and math.prod(layout) != count:
                raise ValueError(f"{count} {what} do not lie in {layout[0]} x {layout[1]} places")
        self.classes, self.choices, self.each, self.bonus = classes, choices, each, bonus
        self.asked_at, self.answered_at = asked_at, answered_at
        self.rewarding, self.last_only = bonus != 0, not each

    @property
    def layout(self) -> tuple[int, ...]:
        """What `Columns.layout` holds of each scene."""
        return (*self.asked_at, *self.answered_at)

    def __call__(
        self, logits: Tensor, target: Tensor, final: Tensor, looks: int
    ) -> tuple[Tensor, Tensor]:
        reward = self.reward(logits, target, final, looks)
        return reward, self._weight(final, looks) * self._nll(logits, target)

    def reward(self, logits: Tensor, target: Tensor, final: Tensor, looks: int) -> Tensor:
        best = apart(logits, self).max(-1)
        right = (best.indices == target) & said(best.values)
        worth = _mean_of_asked(right.to(logits.dtype), target)
        return self._weight(final, looks) * self.bonus * worth

    def belief(self, logits: Tensor, target: Tensor) -> Tensor:
        """Mean over the questions that are asked."""
        truth = self._truth(logits, target)
        given = apart(logits, self).softmax(-1).gather(-1, truth)[..., 0]
        return _mean_of_asked(given, target)

    def gained(self, logits: Tensor, target: Tensor, final: Tensor, looks: int) -> Tensor:
        """Mean over the questions that are asked."""
        asked = (target >= 0).any(-1).to(logits.dtype)
        return math.log(self.choices) * asked - self._nll(logits, target)

    def finish(self, columns: Columns) -> Columns:
        """Answers are to their questions already, so nothing is left to do."""
        return columns

    def _nll(self, logits: Tensor, target: Tensor) -> Tensor:
        given = apart(logits, self)
        truth = target.expand(given.shape[:-1])
        nll = F.cross_entropy(
            given.flatten(0, -2), truth.flatten(), ignore_index=-1, reduction="none"
        )
        return _mean_of_asked(nll.view(truth.shape), target)

    def _truth(self, logits: Tensor, target: Tensor) -> Tensor:
        return target.clamp_min(0).expand(*logits.shape[:-1], -1)[..., None]

    def _weight(self, final: Tensor, looks: int) -> Tensor:
        if not self.each:
            return final
        left = (looks - torch.arange(len(final), device=final.device)) / looks
        return torch.where(final.bool(), left[:, None].to(final), 1 / looks)


def _mean_of_asked(value: Tensor, target: Tensor) -> Tensor:
    """(T, B, P), (B, P) -> (T, B); 0 where nothing is asked."""
    asked = (target >= 0).to(value.dtype)
    return (value * asked).sum(-1) / asked.sum(-1).clamp_min(1)
