"""What decoders share: how deep features meet fine ones, and the loss at every place."""

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Decoder(Protocol):
    """Features become answers at every place."""

    def __call__(self, deep: Tensor, fine: Tensor) -> tuple[Tensor, ...]:
        """(B, C, h, w) and (B, C', H, W) features -> (B, maps, H, W) logits, and what else."""

    def instructed(self, answers: tuple[Tensor, ...], truth: Tensor) -> Tensor:
        """What was returned, (B, H, W) true answers -> (B,) the loss of what is said on the way."""


class Join(nn.Module):
    """Deep features, as large as fine ones, and these: relu(BN(conv3x3([deep; fine]))).

    (Ronneberger et al. 2015, arXiv:1505.04597.) (B, deep, h, w), (B, fine, H, W) -> (B, out, H, W).
    """

    def __init__(self, deep: int, fine: int, out: int):
        super().__init__()
        self.mix = nn.Sequential(
            nn.Conv2d(deep + fine, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU()
        )

    def forward(self, deep: Tensor, fine: Tensor) -> Tensor:
        return self.mix(torch.cat([enlarged(deep, fine), fine], 1))


def enlarged(deep: Tensor, like: Tensor) -> Tensor:
    """(B, C, h, w) -> with the sides of another map, bilinear."""
    size = (like.shape[2], like.shape[3])
    if deep.shape[2:] == like.shape[2:]:
        return deep
    return F.interpolate(deep, size, mode="bilinear", align_corners=False)


def each_place(logits: Tensor, truth: Tensor) -> Tensor:
    """(B, K, ...), (B, ...) -> (B,): the cross-entropy, mean over the places that are asked."""
    loss = F.cross_entropy(logits, truth, ignore_index=-1, reduction="none").flatten(1)
    asked = (truth >= 0).flatten(1).to(loss)
    return (loss * asked).sum(1) / asked.sum(1).clamp_min(1)


def nothing_said(answers: tuple[Tensor, ...]) -> Tensor:
    """(B,) zeros: the loss of a decoder that says nothing on the way."""
    return answers[0].new_zeros(len(answers[0]))


def borders(truth: Tensor) -> Tensor:
    """(B, H, W) answers -> bool: places beside, or below or above, a place of another answer."""
    differ = torch.zeros_like(truth, dtype=torch.bool)
    down, across = truth[:, 1:] != truth[:, :-1], truth[..., 1:] != truth[..., :-1]
    differ[:, 1:] |= down
    differ[:, :-1] |= down
    differ[..., 1:] |= across
    differ[..., :-1] |= across
    return differ
