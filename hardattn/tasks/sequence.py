"""One question after another."""

import math

import torch
from torch import Tensor

from hardattn.clustering import Columns
from hardattn.tasks.task import said


class Sequence:
    """One symbol after another, as many looks for each, asked at the last of these.

    (Ba et al. 2015, arXiv:1412.7755, who give each symbol three.) Targets are (B, S): symbols, then
    the end, the last of the classes, then -1, which is not asked. The loss is the cross-entropy of
    the sequence in nats; `bonus` is the reward for each right symbol that no wrong one precedes,
    the end among them. After a stop the answer stands: it is asked for all that is left.
    """

    layout: tuple[int, ...] = ()

    def __init__(self, classes: int, bonus: float = 1.0):
        self.classes = self.choices = classes
        self.bonus = bonus
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
        good = (best.indices == truth) & said(best.values)
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
