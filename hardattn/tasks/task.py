"""What a task is, and when numbers are an answer."""

from typing import Protocol

from torch import Tensor

from hardattn.clustering import Columns


class Task(Protocol):
    """What is asked of an agent."""

    classes: int  # the width of `Decision.logits`
    choices: int  # the answers to a question: as many, but where several are answered at once
    rewarding: bool  # whether reward is ever other than zero
    last_only: bool  # whether all hangs on the row of the last look, which knows nothing of others

    @property
    def layout(self) -> tuple[int, ...]:
        """Rows and columns in which questions lie over the image, then those of answers; () where
        there is one question, (0, 0) of what lies nowhere.
        """

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


def apart(logits: Tensor, task: Task) -> Tensor:
    """(..., classes) answers to a task -> the same; of P questions at once (..., P, K)."""
    several = task.choices != task.classes
    return logits.unflatten(-1, (-1, task.choices)) if several else logits


def said(best: Tensor) -> Tensor:
    """Whether logits, of which these are the largest, are an answer: what is not finite is none."""
    return best.isfinite()
