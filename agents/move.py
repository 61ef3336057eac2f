"""RAM for worlds in which a look cannot go far (Mnih et al. 2014, arXiv:1406.6247)."""

from torch import Tensor

from hardattn.distributions import Gaussian
from hardattn.nn.layers import contrast
from hardattn.rollout import Decision
from hardattn.world import Observation

from .ram import RAM


class MoveRAM(RAM):
    """RAM that says how far to move, and sees contrast: N(place + reach * tanh(W h), std^2).

    place is where it looks now; reach is that of the world, in half-sides of the image. By
    "pathwise" the gradient runs back along the whole path, each place being the one before it and
    a step; `joint` lets it, and every other gradient of the looks, train the core.

    Departures from RAM: both. A policy over the whole image would spend most of its draws beyond
    the reach, where only their direction counts.

    Args:
        reach: How far a look may fall from the one before, in half-sides of the image.
    """

    def __init__(
        self, glimpse: tuple[int, ...], classes: int, *, reach: float = 0.2, **options: object
    ):
        super().__init__(glimpse, classes, **options)  # type: ignore[arg-type]
        self.reach = reach

    def step(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
        state, decision = super().step(state, seen._replace(glimpse=contrast(seen.glimpse)))
        mean = seen.location[:, :2] + self.reach * decision.location.mean
        return state, decision._replace(location=Gaussian(mean, self.std))
