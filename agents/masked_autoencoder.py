"""Masked autoencoders (He et al. 2022, arXiv:2111.06377)."""

import torch
from torch import Tensor, nn

from .probed import Probed
from .soft import PlaceNorm, TransformerLayer

EPSILON = 1e-6


class MaskedAutoencoder(Probed):
    """A vision transformer that sees a few patches, and a small decoder that restores the others.

    Patches that are kept, with their places, go through the encoder alone; the decoder is given
    what comes out, a learned token for each that was hidden, and learned places, and says the
    pixels of each. Made for the estimator `masked_pixels`, which needs no labels; the answer is
    that of a `probe` on the mean of the features of all patches.

    glimpse: (C, H, W), the shape of what a `Whole` sensor shows.

    Departures: a small encoder of two layers without a class token, places that are learned, and a
    decoder of one layer.

    Args:
        width: Channels of the encoder.
        middle: Units of the MLP of each of its layers; by default as many.
        side: Of a patch in pixels.
        decoder: Channels of the decoder.
    """

    def __init__(
        self,
        glimpse: tuple[int, ...],
        classes: int,
        *,
        width: int = 32,
        middle: int | None = None,
        side: int = 4,
        decoder: int = 16,
    ):
        super().__init__(glimpse, classes, width, middle, side)
        rows, columns = glimpse[1] // side, glimpse[2] // side
        self.narrow = nn.Conv2d(width, decoder, 1)
        self.hidden = nn.Parameter(0.02 * torch.randn(decoder, 1, 1))
        self.places = nn.Parameter(0.02 * torch.randn(decoder, rows, columns))
        self.decoder = nn.Sequential(TransformerLayer(decoder, decoder), PlaceNorm(decoder))
        self.pixels = nn.Conv2d(decoder, glimpse[0] * side**2, 1)

    def restore(self, image: Tensor, kept: Tensor) -> Tensor:
        """(B, C, H, W), (B, n) patches that are kept -> (B, N, C * side * side), what all are."""
        tokens = self.features.patches(image)
        count, wide, rows, columns = tokens.shape
        seen = tokens.flatten(2).gather(2, kept[:, None].expand(-1, wide, -1))[:, :, None]
        for unit in self.features.units:
            seen = unit(seen)
        seen = self.narrow(self.features.norm(seen))[:, :, 0]
        whole = self.hidden[:, :, 0].expand(count, -1, rows * columns)
        whole = whole.scatter(2, kept[:, None].expand(-1, seen.shape[1], -1), seen.to(whole.dtype))
        whole = whole.unflatten(2, (rows, columns)) + self.places
        return self.pixels(self.decoder(whole)).flatten(2).mT

    def wanted(self, image: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, N, C * side * side): each patch with mean 0, spread 1."""
        rows, columns = image.shape[2] // self.side, image.shape[3] // self.side
        patches = image.unflatten(3, (columns, -1)).unflatten(2, (rows, -1))
        patches = patches.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)
        apart = patches - patches.mean(2, keepdim=True)
        return apart / (apart.square().mean(2, keepdim=True) + EPSILON).sqrt()
