"""Answer and target become reward and loss; the only room that sees the target.

What the weights can lower by answering better is `loss`. What they can reach only by looking
elsewhere, because the answer's parameters do not move it, is `reward`. An estimator descends
E[loss + cost - reward].
"""

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F


class Task(Protocol):
    """What is asked of an agent."""

    classes: int  # the width of `Decision.logits`
    rewarding: bool  # whether reward is ever other than zero

    def __call__(
        self, logits: Tensor, target: Tensor, final: Tensor, looks: int
    ) -> tuple[Tensor, Tensor]:
        """(B, K) answers, targets, (B,) 1.0 at the last look taken -> reward, loss: (B,) each."""


class Classify:
    """Cross-entropy in nats, and a reward for being right.

    each: ask after every look, and average over looks; otherwise ask once, after the last.
    bonus: the reward for a right answer, asked when the loss is. Mnih et al. (2014) have each=False
    and bonus=1. A bonus of 0 with each=True turns the looks towards a lower cross-entropy.
    """

    def __init__(self, classes: int, each: bool = False, bonus: float = 0.0):
        self.classes, self.each, self.bonus = classes, each, bonus
        self.rewarding = bonus != 0

    def __call__(
        self, logits: Tensor, target: Tensor, final: Tensor, looks: int
    ) -> tuple[Tensor, Tensor]:
        weight = torch.full_like(final, 1 / looks) if self.each else final
        loss = F.cross_entropy(logits, target, reduction="none")
        right = (logits.argmax(-1) == target).to(loss.dtype)
        return weight * self.bonus * right, weight * loss


TASKS = {"classify": Classify}
