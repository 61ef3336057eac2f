"""No question: what is alike is put together."""

import torch
from torch import Tensor

from hardattn.clustering import Columns, matched


class Cluster:
    """Put what is alike together. Nothing is rewarded and nothing lost: no label is ever read.

    The answers are clusters, whose numbers mean nothing until `finish` gives each the number of a
    class. `loss` is 0, so that there is nothing to learn from but an estimator that knows one for
    itself, as `gat_cluster` does; `belief` is the probability of the likeliest cluster.
    """

    rewarding = False
    last_only = True
    layout: tuple[int, ...] = ()

    def __init__(self, classes: int):
        self.classes = self.choices = classes

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
