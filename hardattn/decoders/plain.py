"""A decoder without attention, the control of the others."""

from torch import Tensor, nn

from hardattn.decoders.decoder import Join, nothing_said


class Plain(nn.Module):
    """Deep and fine features joined, and a 1x1 convolution (Ronneberger et al. 2015).

    arXiv:1505.04597. Departures: one joint, where the paper's network has four.
    """

    def __init__(self, deep: int, fine: int, maps: int):
        super().__init__()
        self.join = Join(deep, fine, deep)
        self.answer = nn.Conv2d(deep, maps, 1)

    def forward(self, deep: Tensor, fine: Tensor) -> tuple[Tensor, ...]:
        return (self.answer(self.join(deep, fine)),)

    def instructed(self, answers: tuple[Tensor, ...], truth: Tensor) -> Tensor:
        """Nothing is said on the way."""
        return nothing_said(answers)
