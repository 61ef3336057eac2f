"""From image and place to glimpse.

A sensor has two steps. `open(images)` does once an episode what does not depend on the place;
`look(view, place)` is called at every look. Places are (x, y) in [-1, 1]; (-1, -1) is the outer
corner at top left, so that x = 2 c / W - 1 for a column edge c. Outside the image a retina reads 0.
"""

from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

# Above so many numbers an int32 index would wrap.
INT32_LIMIT = 2**31
# Of two equally near pixel edges the retina takes the right or lower one. An odd size meets such
# ties at every integer centre, where float32 would decide them at random: this, in pixels, is more
# than its rounding and less than anyone looks at.
TIE = 2.0**-10


class Sensor(Protocol):
    """What a world looks through."""

    everything: bool  # whether one look shows the whole image

    def shape(self, image: tuple[int, int, int]) -> tuple[int, ...]:
        """The shape of one glimpse of one image of (C, H, W)."""

    def pixels(self, image: tuple[int, int, int]) -> int:
        """How many numbers a channel one look hands over: the bandwidth that looks are charged."""

    def open(self, images: Tensor) -> Any:
        """(B, C, H, W) uint8 -> whatever `look` needs."""

    def look(self, view: Any, place: Tensor) -> Tensor:
        """View and (B, P) places -> (B, ...) glimpses, floating point in [0, 1]."""


class Pyramid(NamedTuple):
    """Sums over squares of 2**s pixels at every place where they touch the image, and one beside.

    Of scale s there are H + 2**s + 1 rows and W + 2**s + 1 columns, squares that start at pixel
    -2**s up to H or W; the outermost lie off the image and are 0. Scale after scale, flattened.
    """

    sums: Tensor  # (B, C, M), uint8 for one scale, else int16 or int32
    height: int
    width: int


class Retina:
    """Concentric square patches, each twice as wide, averaged to G x G (Mnih et al. 2014).

    Patch s covers size * 2**s pixels a side and is reduced by averaging squares of 2**s pixels.
    Its left edge is the pixel edge nearest to centre - half its width, of two equally near ones
    the right one (its top likewise, the lower one). So at integer centres an even-sized retina is
    exact, and an odd-sized one has its finest patch half a pixel to the right and below. Not
    differentiable in the place: it copies pixels by index, from sums that are made once an episode.

    (B, C, H, W) uint8, (B, 2) -> (B, scales * C, size, size), scale by scale, finest first.
    """

    everything = False

    def __init__(self, size: int, scales: int = 1):
        if size < 1 or scales < 1:
            raise ValueError(f"a retina needs size and scales of at least 1, not {size}, {scales}")
        self.size, self.scales = size, scales

    def shape(self, image: tuple[int, int, int]) -> tuple[int, ...]:
        return (self.scales * image[0], self.size, self.size)

    def pixels(self, image: tuple[int, int, int]) -> int:
        return self.scales * self.size**2

    def open(self, images: Tensor) -> Pyramid:
        height, width = images.shape[-2:]
        if self.scales > 1:
            # 4**s pixels of at most 255 each: int16 holds them up to scale 3.
            images = images.to(torch.int16 if self.scales <= 4 else torch.int32)
        level = F.pad(images, (1,) * 4)
        levels = [level.flatten(2)]
        for s in range(1, self.scales):
            # A square is four of half its side, `half` apart; outside lies nothing.
            half = 2 ** (s - 1)
            level = F.pad(level, (half,) * 4)
            level = level[..., :-half] + level[..., half:]
            level = level[..., :-half, :] + level[..., half:, :]
            levels.append(level.flatten(2))
        return Pyramid(torch.cat(levels, 2).contiguous(), height, width)

    def look(self, view: Pyramid, place: Tensor) -> Tensor:
        batch, channels, length = view.sums.shape
        many, device = view.sums.numel() > INT32_LIMIT, place.device
        whole = torch.int64 if many else torch.int32
        # float32, because half precision cannot name every pixel of a large image.
        x, y = ((place.detach().float() + 1) / 2).unbind(1)
        grid = torch.arange(self.size, device=device, dtype=whole)
        first = torch.arange(batch * channels, device=device, dtype=whole) * length
        first = first.view(batch, channels, 1, 1)
        indices = []
        for s in range(self.scales):
            square = 2**s
            nearest = 0.5 + TIE - self.size * square / 2
            left = torch.floor(x * view.width + nearest).to(whole)[:, None] + grid * square
            top = torch.floor(y * view.height + nearest).to(whole)[:, None] + grid * square
            # What starts further out than the outermost squares is as empty as they are.
            left = left.clamp(-square, view.width) + square
            top = top.clamp(-square, view.height) + square
            wide, high = view.width + square + 1, view.height + square + 1
            indices.append(first + (top * wide)[:, None, :, None] + left[:, None, None, :])
            first = first + high * wide
        index = torch.stack(indices, 1).flatten()
        values = view.sums.view(-1).index_select(0, index).view(batch, self.scales, -1)
        weight = 1.0 / (255.0 * 4.0 ** torch.arange(self.scales, device=device))
        glimpse = values.to(weight.dtype) * weight[:, None]
        return glimpse.view(batch, self.scales * channels, self.size, self.size)


class GaussianWindow:
    """A G x G grid of Gaussian filters around the place; the reader of DRAW, of fixed width.

    (Gregor et al. 2015, arXiv:1502.04623, eq. 19-26, with stride and sigma given in pixels rather
    than read from the agent.) Each row of each filter bank sums to one. Differentiable in the
    place everywhere, by two small matrix products; a filter that lies off the image reads the
    border it is nearest to, as normalised filters do.

    (B, C, H, W) uint8, (B, 2) -> (B, C, size, size).
    """

    everything = False

    def __init__(self, size: int, stride: float = 1.0, sigma: float = 0.5):
        if size < 1 or stride <= 0 or sigma <= 0:
            raise ValueError("a Gaussian window needs positive size, stride and sigma")
        self.size, self.stride, self.sigma = size, stride, sigma

    def shape(self, image: tuple[int, int, int]) -> tuple[int, ...]:
        return (image[0], self.size, self.size)

    def pixels(self, image: tuple[int, int, int]) -> int:
        return self.size**2

    def open(self, images: Tensor) -> Tensor:
        return images.to(torch.get_default_dtype()) / 255.0

    def _bank(self, centre: Tensor, length: int) -> Tensor:
        """(B,) centres in pixels -> (B, G, length) filters."""
        steps = torch.arange(self.size, device=centre.device, dtype=centre.dtype)
        means = centre[:, None] + (steps - (self.size - 1) / 2) * self.stride
        pixel = torch.arange(length, device=centre.device, dtype=centre.dtype) + 0.5
        return torch.softmax(-((pixel - means[..., None]) ** 2) / (2 * self.sigma**2), -1)

    def look(self, view: Tensor, place: Tensor) -> Tensor:
        height, width = view.shape[-2:]
        place = place.to(view.dtype)
        rows = self._bank((place[:, 1] + 1) * 0.5 * height, height)
        columns = self._bank((place[:, 0] + 1) * 0.5 * width, width)
        return rows[:, None] @ view @ columns[:, None].transpose(-1, -2)


class Whole:
    """The image itself, wherever one looks: (B, C, H, W) uint8, (B, P) -> (B, C, H, W)."""

    everything = True

    def shape(self, image: tuple[int, int, int]) -> tuple[int, ...]:
        return image

    def pixels(self, image: tuple[int, int, int]) -> int:
        return image[1] * image[2]

    def open(self, images: Tensor) -> Tensor:
        return images.to(torch.get_default_dtype()) / 255.0

    def look(self, view: Tensor, place: Tensor) -> Tensor:
        return view


SENSORS: dict[str, Any] = {"retina": Retina, "gaussian_window": GaussianWindow, "whole": Whole}
