"""Estimators whose updates are not alike: they count them."""

from torch import nn


class Counted(nn.Module):
    """Counts its updates in training, and keeps the count with its weights.

    What it does may hang on the count, which is no tensor, so its updates are no CUDA graph.
    """

    def __init__(self) -> None:
        super().__init__()
        self.updates = 0

    def get_extra_state(self) -> int:
        return self.updates

    def set_extra_state(self, state: int) -> None:
        self.updates = state

    def count(self) -> int:
        """How many updates came before this one, which counts from now on."""
        before = self.updates
        if self.training:
            self.updates += 1
        return before
