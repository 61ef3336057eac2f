"""Classes that count more than others."""

from torch import Tensor

from hardattn.clustering import Columns
from hardattn.tasks.task import Task


class Weighted:
    """A task whose scenes count by the class that they are of.

    task: one whose target is a class, (B,). weights: (K,), of each class.
    """

    def __init__(self, task: Task, weights: Tensor):
        self.task, self.weights = task, weights
        self.classes, self.choices, self.layout = task.classes, task.choices, task.layout
        self.rewarding, self.last_only = task.rewarding, task.last_only

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
