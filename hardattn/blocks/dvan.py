"""Diversified visual attention (Zhao, Wu, Feng, Peng, Yan 2017, arXiv:1606.08572), in small."""

import torch
from torch import Tensor

from hardattn.blocks.s3ta import S3TA
from hardattn.maps import charge


def overlap(maps: list[Tensor]) -> Tensor:
    """T >= 2 maps of (B, 1, N) that sum to one -> (B,), the mean over pairs of sum_n a_n b_n.

    0 where no two of them share a place, 1 where all of them are the same single place.
    """
    looks = torch.cat(maps, 1)
    count = looks.shape[1]
    products = looks @ looks.transpose(1, 2)
    pairs = products.sum((1, 2)) - products.diagonal(dim1=1, dim2=2).sum(1)
    return pairs / (count * (count - 1))


class DVAN(S3TA):
    """Sequential soft attention that pays for looking at the same place again.

    `S3TA`, (B, C, H, W) -> (B, K), with its maps, (B, 1, N) a look. Charges price * overlap, the
    mean over pairs of looks of sum_n a_n b_n. looks: two at least.

    Departures: the paper looks at several crops of the image, coarse to fine, each with its own
    features; here all looks are at one feature map. Its LSTM weighs a fixed grid; here it asks, as
    in S3TA. The paper's text was not at hand: that its penalty is on products of maps is, which
    pairs of looks it takes and its weight are not confirmed.

    Args:
        looks: How often it attends.
        hidden: Units of the hidden layer.
        keys: Channels that are asked.
        frequencies: Of the spatial basis, which has (2 * frequencies)^2 channels.
        price: Of what it charges.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        *,
        looks: int = 4,
        hidden: int = 64,
        keys: int = 8,
        frequencies: int = 2,
        price: float = 1.0,
    ):
        super().__init__(
            channels, classes, looks=looks, hidden=hidden, keys=keys, frequencies=frequencies
        )
        if looks < 2:
            raise ValueError(f"looks can overlap only if there are two or more, not {looks}")
        self.price = price

    def forward(self, x: Tensor) -> Tensor:
        logits, maps = self.look(x)
        charge(self.price * overlap(maps))
        return logits
