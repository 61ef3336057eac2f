"""Pyramid feature attention for saliency (Zhao, Wu 2019, arXiv:1903.00179), on two levels."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hardattn.blocks.pyramid_feature import PyramidFeature
from hardattn.decoders.decoder import enlarged


class Pyramid(nn.Module):
    """Deep features see context at several dilations; what they attend to gates the fine ones.

    Context: h = [conv1x1(d); conv3x3(d) at each dilation], relu(BN) each, brought back to C
    channels; the channel and the spatial gate of `blocks.PyramidFeature` on it. The spatial gate,
    enlarged, multiplies fine features, 3x3 convolved to as many channels; a 1x1 convolution of
    these and of the context answers. Supervised beside the answer: edges, the squared distance of
    the Laplacians of answered and true masks in a tanh, as the paper's edge-preserving loss. Maps:
    those of the two gates.

    Departures: two levels of a small network, for three of VGG's; dilations 1 and 2, for 3, 5 and
    7 on larger maps. The paper's loss is of one saliency map and weighs the two classes; here each
    class has one, in a cross-entropy. The edges are compared by their squared distance, where the
    released code has a cross-entropy as well, and keeps the edges of one sign of a Laplacian of
    eight neighbours; here it is of four, and both signs count. The paper's text was not at hand.

    Args:
        dilations: Of the convolutions that see context.
    """

    def __init__(self, deep: int, fine: int, maps: int, *, dilations: tuple[int, ...] = (1, 2)):
        super().__init__()

        def convolved(before: int, kernel: int, dilation: int = 1) -> nn.Sequential:
            convolution = nn.Conv2d(
                before, deep, kernel, padding="same", dilation=dilation, bias=False
            )
            return nn.Sequential(convolution, nn.BatchNorm2d(deep), nn.ReLU())

        self.context = nn.ModuleList(
            [convolved(deep, 1), *(convolved(deep, 3, dilation) for dilation in dilations)]
        )
        self.narrow = convolved((1 + len(dilations)) * deep, 1)
        self.attend = PyramidFeature(deep, kernel=5)
        self.low = convolved(fine, 3)
        self.answer = nn.Conv2d(2 * deep, maps, 1)

    def forward(self, deep: Tensor, fine: Tensor) -> tuple[Tensor, ...]:
        high = self.narrow(torch.cat([each(deep) for each in self.context], 1))
        high, gate = self.attend.gates(high)
        low = self.low(fine) * enlarged(gate, fine)
        return (self.answer(torch.cat([enlarged(high, fine), low], 1)),)

    def instructed(self, answers: tuple[Tensor, ...], truth: Tensor) -> Tensor:
        """How far the edges of what was answered are from those of what is there."""
        said = answers[0].softmax(1)
        true = F.one_hot(truth.clamp_min(0), said.shape[1]).movedim(3, 1).to(said.dtype)
        return (edges(said) - edges(true)).square().mean((1, 2, 3))


def edges(maps: Tensor) -> Tensor:
    """(B, K, H, W) -> tanh(|their Laplacian|)."""
    around = F.pad(maps, (1, 1, 1, 1), mode="replicate")
    beside = around[..., 1:-1, 2:] + around[..., 1:-1, :-2]
    above = around[..., 2:, 1:-1] + around[..., :-2, 1:-1]
    return torch.tanh((4 * maps - beside - above).abs())
