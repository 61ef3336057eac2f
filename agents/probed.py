"""A vision transformer that learns without labels first, and is then probed or fine-tuned."""

import torch
from torch import Tensor, nn

from hardattn.distributions import Delta
from hardattn.rollout import Decision
from hardattn.world import Observation

from .soft import ViT


class Probe(nn.Module):
    """Linear in features whose mean and spread over the batch are taken off: (B, D) -> (B, K)."""

    def __init__(self, features: int, classes: int):
        super().__init__()
        self.norm = nn.BatchNorm1d(features, affine=False)
        self.answer = nn.Linear(features, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.answer(self.norm(x))


class Probed(nn.Module):
    """The vision transformer of `soft.ViT`, the mean over its places, and a `Probe` that answers.

    `probed` is a step whose loss moves the probe alone. What is learned without labels is for those
    who inherit this to say. For a `Whole` sensor.

    glimpse: (C, H, W), the shape of what a `Whole` sensor shows.
    """

    def __init__(
        self, glimpse: tuple[int, ...], classes: int, width: int, middle: int | None, side: int
    ):
        super().__init__()
        if len(glimpse) != 3 or glimpse[1] % side or glimpse[2] % side:
            raise ValueError(
                f"patches of {side} pixels divide an image (C, H, W), not {tuple(glimpse)}: use "
                "the sensor 'whole', or another side"
            )
        self.side = side
        self.features = ViT(tuple(glimpse), width, middle or width, side)
        self.probe = Probe(width, classes)

    def start(self, context: Tensor) -> Tensor:
        return context[:, :0]

    def represent(self, image: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, D): what the answer is read from."""
        return self.features(image).mean((2, 3))

    def step(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
        return state, self._decided(self.represent(seen.glimpse), seen)

    def probed(self, state: Tensor, seen: Observation) -> tuple[Tensor, Decision]:
        """As `step`, through which no gradient reaches the features."""
        with torch.no_grad():
            known = self.represent(seen.glimpse)
        return state, self._decided(known, seen)

    def _decided(self, known: Tensor, seen: Observation) -> Decision:
        nought = torch.zeros_like(seen.step)
        return Decision(Delta(torch.zeros_like(seen.location)), self.probe(known), nought, nought)
