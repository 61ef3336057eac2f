"""Dual attention, of DANet (Fu, Liu, Tian, Li, Bao, Fang, Lu 2019, arXiv:1809.02983)."""

from typing import Literal

import torch
from torch import Tensor, nn

from hardattn.blocks.sagan import SAGAN
from hardattn.maps import AttentionMap

Sign = Literal["paper", "released"]
SIGNS = {"paper": 1, "released": -1}


class DANetPosition(SAGAN):
    """y_i = x_i + alpha sum_j softmax_j(q_i . k_j) v_j: places attend to places.

    (B, C, H, W) -> same. Its equations, widths and start are those of `SAGAN`, whose gamma is this
    alpha; the two systems differ in what stands around them.
    """


class DANetChannel(nn.Module):
    """y_c = x_c + beta sum_d softmax_d(+-s x_c . x_d) x_d: channels attend to channels.

    (B, C, H, W) -> same. Map: the softmax, (B, 1, C, C), rows sum to one; it is not about places.
    beta starts at 0.

    sign: "paper" attends to channels that are alike (+), "released" to those that differ most (-),
    as the authors' code does, with which their results were had, and which is the default.

    scale: s; by default 1 / sqrt(N), N the number of places that the products are over, so that the
    products of channels that have nothing to do with each other vary as much whatever N is.

    Departures: s is 1 in the authors' code, whose softmax all but chooses one channel: among 32 of
    an untrained network, at 144 places, the largest weight is .9, and with "paper" it is that of
    the channel itself, which is no attention.

    Args:
        sign: Of the logits, as the paper writes or as the code was released.
        scale: What logits are multiplied by; by default 1 / sqrt(places).
    """

    placement = "context"

    def __init__(self, channels: int, *, sign: Sign = "released", scale: float | None = None):
        super().__init__()
        if sign not in SIGNS:
            raise ValueError(f"no sign {sign!r}: choose one of {', '.join(SIGNS)}")
        self.sign, self.scale = SIGNS[sign], scale
        self.beta = nn.Parameter(torch.zeros(()))
        self.map = AttentionMap("pairwise", over=(-1,))

    def forward(self, x: Tensor) -> Tensor:
        places = x.flatten(2)
        scale = places.shape[2] ** -0.5 if self.scale is None else self.scale
        energies = self.sign * scale * (places @ places.transpose(1, 2))
        weights = energies.softmax(2)[:, None]
        weights = self.map(weights)[:, 0]
        return x + self.beta * (weights @ places).unflatten(2, x.shape[2:])


class DANet(nn.Module):
    """What both add to x: y = x + alpha (...) + beta (...). (B, C, H, W) -> same. Maps: of both.

    Departures: the convolutions before and after each of the two, by which the head of the paper
    takes C to C / 4 and then to classes, are left out, and x is counted once.

    Args:
        sign: Of the logits, as the paper writes or as the code was released.
        scale: What logits are multiplied by; by default 1 / sqrt(places).
    """

    placement = "context"

    def __init__(self, channels: int, *, sign: Sign = "released", scale: float | None = None):
        super().__init__()
        self.position = DANetPosition(channels)
        self.channel = DANetChannel(channels, sign=sign, scale=scale)

    def forward(self, x: Tensor) -> Tensor:
        return self.position(x) + self.channel(x) - x
