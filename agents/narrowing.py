"""Policies whose spread falls while they are trained, so that greedy looks are those that learned.

A Gaussian policy of fixed spread learns what is best for looks that miss their mean by so much; in
use they do not miss it (Mnih et al. 2014, arXiv:1406.6247, look at the mean in testing).
"""

from torch import Tensor, nn, tensor


class Narrowing(nn.Module):
    """An agent with a `std`, fixed or falling: std(s) = std (end / std)^max(0, (s - t) / (1 - t)).

    s is the share of training that is over, of which the training loop tells by `anneal`; t that
    after which the spread begins to fall, as it is needed wide until looks are worth something. A
    spread that falls is a buffer, kept with the weights: an agent that is read back draws as it did
    when these were kept. One that is fixed is a number, and `anneal` does nothing.
    """

    std: float | Tensor

    def spread_from(self, std: float, end: float | None = None, since: float = 0.0) -> None:
        """Set where the spread begins, where it ends (None: it is fixed), and since which share."""
        if end is not None and not (std > 0 and end > 0):
            raise ValueError(f"a spread falls from and to more than 0, not from {std} to {end}")
        if not 0 <= since < 1:
            raise ValueError(f"a spread falls after a share of training, below 1, not {since}")
        self.falls = (std, std if end is None else end, since)
        if end is None:
            self.std = std
        else:
            self.register_buffer("std", tensor(float(std)))

    def anneal(self, share: float) -> None:
        """So much of training is over, from 0 to 1."""
        if isinstance(self.std, Tensor):
            start, end, since = self.falls
            self.std.fill_(start * (end / start) ** max(0.0, (share - since) / (1 - since)))
