"""Answer and target become reward and loss; the only room that sees the target.

What the weights can lower by answering better is `loss`. What they can reach only by looking
elsewhere, because the answer's parameters do not move it, is `reward`. An estimator descends
E[loss + cost - reward].
"""

import math
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from hardattn.clustering import Columns, matched


class Task(Protocol):
    """What is asked of an agent."""

    classes: int  # the width of `Decision.logits`
    rewarding: bool  # whether reward is ever other than zero
    last_only: bool  # whether all hangs on the row of the last look, which knows nothing of others

    def __call__(
        self, logits: Tensor, target: Tensor, final: Tensor, looks: int
    ) -> tuple[Tensor, Tensor]:
        """(T, B, K) answers, targets, (T, B) 1.0 at the last look taken -> reward, loss: (T, B).

        Row t depends on no later row: the rows up to some look, of `looks` to come, will do.
        """

    def reward(self, logits: Tensor, target: Tensor, final: Tensor, looks: int) -> Tensor:
        """The first of these alone: an environment may have no use for the other."""

    def belief(self, logits: Tensor, target: Tensor) -> Tensor:
        """(T, B, K) answers, targets -> (T, B) the probability given to the truth."""

    def gained(self, logits: Tensor, target: Tensor, final: Tensor, looks: int) -> Tensor:
        """By how many nats the truth has become likelier up to each look, (T, B).

        Than where all answers are alike, as they are before the first look. Arguments and rows are
        those of a call.
        """

    def finish(self, columns: Columns) -> Columns:
        """What is left to do with all that was measured of a set of scenes: see `evaluate`."""


class Classify:
    """Cross-entropy in nats, and a reward for being right.

    each: ask after every look, and average over looks (intermediate supervision); otherwise ask
    once, after the last. Who stops early is asked for the looks that were left, too: the answer
    stands, and stopping saves nothing.
    bonus: the reward for a right answer, asked when the loss is. Mnih et al. (2014) have each=False
    and bonus=1. A bonus of 0 with each=True turns the looks towards a lower cross-entropy.
    """

    def __init__(self, classes: int, each: bool = False, bonus: float = 0.0):
        self.classes, self.each, self.bonus = classes, each, bonus
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
        return self._weight(final, looks) * self.bonus * worth * _said(best.values)

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


class Weighted:
    """A task whose scenes count by the class that they are of.

    task: one whose target is a class, (B,). weights: (K,), of each class.
    """

    def __init__(self, task: Task, weights: Tensor):
        self.task, self.weights = task, weights
        self.classes, self.rewarding, self.last_only = task.classes, task.rewarding, task.last_only

    def __call__(
        self, logits: Tensor, target: Tensor, final: Tensor, looks: int
    ) -> tuple[Tensor, Tensor]:
        reward, loss = self.task(logits, target, final, looks)
        weight = self.weights[target].to(loss)
        return weight * reward, weight * loss

    def reward(self, logits: Tensor, target: Tensor, final: Tensor, looks: int) -> Tensor:
        return self.weights[target].to(logits) * self.task.reward(logits, target, final, looks)

    def belief(self, logits: Tensor, target: Tensor) -> Tensor:
        """That of the task: how probable the truth is does not depend on how much it counts."""
        return self.task.belief(logits, target)

    def gained(self, logits: Tensor, target: Tensor, final: Tensor, looks: int) -> Tensor:
        return self.weights[target].to(logits) * self.task.gained(logits, target, final, looks)

    def finish(self, columns: Columns) -> Columns:
        """That of the task: what is measured counts alike."""
        return self.task.finish(columns)


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
        self.classes = classes

    def worth(self, answer: Tensor, truth: Tensor) -> Tensor:
        none = self.classes - 1
        row, column = answer // self.across, answer % self.across
        true_row, true_column = truth // self.across, truth % self.across
        near = (row // 2 == true_row // 2) & (column // 2 == true_column // 2)
        there = near & (answer < none) & (truth < none)
        overlap = super().worth(answer, truth)
        return torch.where(there, overlap, (answer == truth).to(overlap))


class Sequence:
    """One symbol after another, as many looks for each, asked at the last of these.

    (Ba et al. 2015, arXiv:1412.7755, who give each symbol three.) Targets are (B, S): symbols, then
    the end, the last of the classes, then -1, which is not asked. The loss is the cross-entropy of
    the sequence in nats; `bonus` is the reward for each right symbol that no wrong one precedes,
    the end among them. After a stop the answer stands: it is asked for all that is left.
    """

    def __init__(self, classes: int, bonus: float = 1.0):
        self.classes, self.bonus = classes, bonus
        self.rewarding, self.last_only = bonus != 0, False

    def __call__(
        self, logits: Tensor, target: Tensor, final: Tensor, looks: int
    ) -> tuple[Tensor, Tensor]:
        each = self.each(target, looks)
        look = torch.arange(len(logits), device=logits.device)
        symbol = torch.arange(target.shape[1], device=logits.device)
        # (T, B, S): a symbol is asked at its last look, or where the looks end before that.
        last = (look + 1)[:, None] == (symbol + 1) * each
        left = look[:, None] // each <= symbol
        ended = final.bool()[..., None]
        asked = torch.where(ended, left[:, None], last[:, None]) & (target >= 0)
        truth = target.clamp_min(0).expand(len(logits), -1, -1)
        loss = -logits.log_softmax(-1).gather(-1, truth)
        best = logits.max(-1, keepdim=True)
        good = (best.indices == truth) & _said(best.values)
        # The first symbol answered wrongly, in this row or before: nothing is won from there on.
        fell = symbol.expand_as(asked).masked_fill(~asked | good, target.shape[1]).amin(-1)
        won = asked & good & (symbol < fell.cummin(0).values[..., None])
        return self.bonus * won.sum(-1).to(loss.dtype), (loss * asked).sum(-1)

    def reward(self, logits: Tensor, target: Tensor, final: Tensor, looks: int) -> Tensor:
        return self(logits, target, final, looks)[0]

    def belief(self, logits: Tensor, target: Tensor) -> Tensor:
        each = self.each(target, len(logits))
        truth = target.repeat_interleave(each, 1).T
        given = logits.softmax(-1).gather(-1, truth.clamp_min(0)[..., None])[..., 0]
        return torch.where(truth < 0, torch.ones_like(given), given)

    def gained(self, logits: Tensor, target: Tensor, final: Tensor, looks: int) -> Tensor:
        """Of all symbols together; one that was not asked yet is as likely as any other."""
        each = self.each(target, looks)
        look = torch.arange(len(logits), device=logits.device)[:, None]
        symbol = torch.arange(target.shape[1], device=logits.device)
        truth = target.clamp_min(0).expand(len(logits), -1, -1)
        likelier = math.log(self.classes) + logits.log_softmax(-1).gather(-1, truth)
        likelier = likelier.masked_fill(target < 0, 0.0)
        # Those over and done with, each as it was answered at its last look; and those at hand.
        said = (likelier * (look + 1 == (symbol + 1) * each)[:, None]).sum(-1)
        left = final.bool()[..., None] & (symbol > look // each)[:, None]
        at_hand = (symbol == look // each)[:, None] | left
        return said.cumsum(0) - said + (likelier * at_hand).sum(-1)

    def finish(self, columns: Columns) -> Columns:
        """Answers are symbols already, so nothing is left to do."""
        return columns

    @staticmethod
    def each(target: Tensor, looks: int) -> int:
        """How many looks a symbol has."""
        if looks % target.shape[1]:
            raise ValueError(f"{target.shape[1]} symbols do not share {looks} looks evenly")
        return looks // target.shape[1]


class Cluster:
    """Put what is alike together. Nothing is rewarded and nothing lost: no label is ever read.

    The answers are clusters, whose numbers mean nothing until `finish` gives each the number of a
    class. `loss` is 0, so that there is nothing to learn from but an estimator that knows one for
    itself, as `gat_cluster` does; `belief` is the probability of the likeliest cluster.
    """

    rewarding = False
    last_only = True

    def __init__(self, classes: int):
        self.classes = classes

    def __call__(
        self, logits: Tensor, target: Tensor, final: Tensor, looks: int
    ) -> tuple[Tensor, Tensor]:
        return self.reward(logits, target, final, looks), torch.zeros_like(final)

    def reward(self, logits: Tensor, target: Tensor, final: Tensor, looks: int) -> Tensor:
        return torch.zeros_like(final)

    def belief(self, logits: Tensor, target: Tensor) -> Tensor:
        return logits.softmax(-1).amax(-1)

    def gained(self, logits: Tensor, target: Tensor, final: Tensor, looks: int) -> Tensor:
        return torch.zeros_like(final)

    def finish(self, columns: Columns) -> Columns:
        """Rename clusters to classes by the best one-to-one matching: see `clustering.matched`."""
        return matched(columns)


def _said(best: Tensor) -> Tensor:
    """Whether logits, of which these are the largest, are an answer: what is not finite is none."""
    return best.isfinite()


TASKS = {
    "classify": Classify,
    "localise": Localise,
    "find": Find,
    "sequence": Sequence,
    "cluster": Cluster,
}
