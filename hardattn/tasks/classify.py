"""One question: which of the classes, or of the places, it is."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from hardattn.clustering import Columns
from hardattn.tasks.task import said


class Classify:
    """Cross-entropy in nats, and a reward for being right.

    each: ask after every look, and average over looks (intermediate supervision); otherwise ask
    once, after the last. Who stops early is asked for the looks that were left, too: the answer
    stands, and stopping saves nothing.
    bonus: the reward for a right answer, asked when the loss is. Mnih et al. (2014) have each=False
    and bonus=1. A bonus of 0 with each=True turns the looks towards a lower cross-entropy.
    """

    layout: tuple[int, ...] = ()

    def __init__(self, classes: int, each: bool = False, bonus: float = 0.0):
        self.classes = self.choices = classes
        self.each, self.bonus = each, bonus
        self.rewarding, self.last_only = bonus != 0, not each

    def __call__(
        self, logits: Tensor, target: Tensor, final: Tensor, looks: int
    ) -> tuple[Tensor, Tensor]:
        truth = target.expand(final.shape)
        loss = F.cross_entropy(logits.flatten(0, 1), truth.flatten(), reduction="none")
        reward = self.reward(logits, target, final, looks)
        return reward, self._weight(final, looks) * loss.view_as(final)

    def reward(self, logits: Tensor, target: Tensor, final: Tensor, looks: int) -> Tensor:
        best = logits.max(-1)
        worth = self.worth(best.indices, target.expand(final.shape)).to(logits.dtype)
        return self._weight(final, looks) * self.bonus * worth * said(best.values)

    def _weight(self, final: Tensor, looks: int) -> Tensor:
        if not self.each:
            return final
        left = (looks - torch.arange(len(final), device=final.device)) / looks
        return torch.where(final.bool(), left[:, None].to(final), 1 / looks)

    def worth(self, answer: Tensor, truth: Tensor) -> Tensor:
        """What an answer is worth, from 0 to 1."""
        return answer == truth

    def belief(self, logits: Tensor, target: Tensor) -> Tensor:
        truth = target[:, None].expand(*logits.shape[:-1], 1)
        return logits.softmax(-1).gather(-1, truth)[..., 0]

    def gained(self, logits: Tensor, target: Tensor, final: Tensor, looks: int) -> Tensor:
        truth = target.expand(final.shape).flatten()
        nll = F.cross_entropy(logits.flatten(0, 1), truth, reduction="none").view_as(final)
        return math.log(self.classes) - nll

    def finish(self, columns: Columns) -> Columns:
        """Answers are classes already, so nothing is left to do."""
        return columns


class Localise(Classify):
    """Where is it? One of K equal boxes, n x n of them row by row; worth their overlap, the IoU.

    step: from a box to the next, in sides of a box; or down and across, where these differ. The
    loss is the cross-entropy of the boxes.
    """

    def __init__(
        self,
        classes: int,
        each: bool = False,
        bonus: float = 0.0,
        step: float | tuple[float, float] = 0.5,
    ):
        super().__init__(classes, each, bonus)
        self.across = math.isqrt(classes)
        self.step = step if isinstance(step, tuple) else (step, step)
        if self.across**2 != classes or min(self.step) <= 0:
            raise ValueError(f"a square of boxes, apart, is needed, not {classes} by {step}")

    def worth(self, answer: Tensor, truth: Tensor) -> Tensor:
        row = (answer // self.across - truth // self.across).abs()
        column = (answer % self.across - truth % self.across).abs()
        down, across = self.step
        shared = (1 - down * row).clamp_min(0) * (1 - across * column).clamp_min(0)
        return shared / (2 - shared)


class Find(Localise):
    """Is it there, and where? One of n x n places, row by row, or the last answer: at none.

    Places lie two by two in cells that do not overlap. step: from one to the next within a cell, in
    sides of the box; or down and across, where these differ. A place is worth its overlap with the
    true one, the IoU; that it is at none, 1 if so and else nothing.
    """

    def __init__(
        self,
        classes: int,
        each: bool = False,
        bonus: float = 0.0,
        step: float | tuple[float, float] = 0.5,
    ):
        super().__init__(classes - 1, each, bonus, step)
        self.classes = self.choices = classes

    def worth(self, answer: Tensor, truth: Tensor) -> Tensor:
        none = self.classes - 1
        row, column = answer // self.across, answer % self.across
        true_row, true_column = truth // self.across, truth % self.across
        near = (row // 2 == true_row // 2) & (column // 2 == true_column // 2)
        there = near & (answer < none) & (truth < none)
        overlap = super().worth(answer, truth)
        return torch.where(there, overlap, (answer == truth).to(overlap))
