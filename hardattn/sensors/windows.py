"""Windows on an image that a gradient passes: from the glimpse back to the place.

Each reads G x G numbers a channel of the whole image, by filters or by interpolation; a retina, by
index, is many times faster. `Sensor` is the contract.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

# The logarithms that a filterbank is told are at most so large: factors from 1 / 55 to 55.
UNIT = 4.0


class Points:
    """Places that are points (x, y) of the image, or begin with one, all numbers in [-1, 1].

    What is asked for outside falls on the border.
    """

    places = 2
    differentiable = True
    by_windows = False

    def bound(self, location: Tensor) -> Tensor:
        return location.nan_to_num(nan=0.0).clamp(-1.0, 1.0)

    def at(self, point: Tensor) -> Tensor:
        return point

    def point(self, place: Tensor) -> Tensor:
        return place[..., :2]


class Window(Points):
    """What windows of `size` x `size` have in common."""

    everything = False
    size: int

    def shape(self, image: tuple[int, int, int]) -> tuple[int, ...]:
        return (image[0], self.size, self.size)

    def pixels(self, image: tuple[int, int, int]) -> int:
        return self.size**2

    def fine(self, image: tuple[int, int, int]) -> tuple[int, int]:
        # A place that says how wide it is may be as narrow as its pixels are the image's own.
        return self.size, self.size

    def wide(self, image: tuple[int, int, int]) -> tuple[int, int]:
        return image[1], image[2]

    def open(self, images: Tensor) -> Tensor:
        return images.to(torch.get_default_dtype()) / 255.0


class GaussianWindow(Window):
    """A G x G grid of Gaussian filters around the place; the reader of DRAW, of fixed width.

    (Gregor et al. 2015, arXiv:1502.04623, eq. 19-26, with stride and sigma given in pixels rather
    than read from the agent.) Each row of each filter bank sums to one. Differentiable in the
    place everywhere, by two small matrix products; a filter that lies off the image reads the
    border it is nearest to, as normalised filters do.

    (B, C, H, W) uint8, (B, 2) -> (B, C, size, size).

    Args:
        size: Side of the glimpse in pixels.
        stride: Pixels between the filters.
        sigma: Width of the filters in pixels.
    """

    def __init__(self, size: int, stride: float = 1.0, sigma: float = 0.5):
        if size < 1 or stride <= 0 or sigma <= 0:
            raise ValueError("a Gaussian window needs positive size, stride and sigma")
        self.size, self.stride, self.sigma = size, stride, sigma

    def fine(self, image: tuple[int, int, int]) -> tuple[int, int]:
        # Filters of more than a pixel blur, and those further apart leave pixels out.
        return self.wide(image) if max(self.stride, self.sigma) <= 1 else (0, 0)

    def wide(self, image: tuple[int, int, int]) -> tuple[int, int]:
        side = round(self.size * self.stride)
        return side, side

    def look(self, view: Tensor, place: Tensor) -> Tensor:
        return _filtered(view, place.to(view.dtype), self.size, self.stride, self.sigma**2)


class Affine(Window):
    """A bilinear crop under an affine map: the glimpse of EDRAM (Ablavatski et al. 2017).

    (arXiv:1706.03581, after the sampler of Jaderberg et al. 2015, arXiv:1506.02025.) A place is
    (x, y, a, b, c, d): the output's point u reads the image at (x, y) + [[a, b], [c, d]] u.
    Differentiable in all six. `cover` is the share of a side that the upright place of `at` covers.

    (B, C, H, W) uint8, (B, 6) -> (B, C, size, size).

    Args:
        size: Side of the glimpse in pixels.
        cover: Share of a side that an upright glimpse covers.
    """

    places = 6

    def __init__(self, size: int, cover: float = 0.4):
        if size < 1 or cover <= 0:
            raise ValueError("an affine glimpse needs positive size and cover")
        self.size, self.cover = size, cover

    def look(self, view: Tensor, place: Tensor) -> Tensor:
        x, y, a, b, c, d = place.to(view.dtype).unbind(1)
        theta = torch.stack([a, b, x, c, d, y], 1).view(-1, 2, 3)
        shape = (len(view), view.shape[1], self.size, self.size)
        grid = F.affine_grid(theta, list(shape), align_corners=False)
        return F.grid_sample(view, grid, align_corners=False)

    def at(self, point: Tensor) -> Tensor:
        matrix = point.new_zeros(len(point), 4)
        matrix[:, 0::3] = self.cover
        return torch.cat([point, matrix], 1)


class Crop(Window):
    """A bilinear upright crop that never leaves the image, as the glimpses of `ap_gym` are.

    It covers the share `cover` of each side, and its centre is (1 - cover) times the place: at the
    border of the image the crop lies flush with it. So a place is always within its own crop, but
    its centre only in the middle. With cover = size / side it reads at the distance of pixels.
    Differentiable in the place.

    (B, C, H, W) uint8, (B, 2) -> (B, C, size, size).

    Args:
        size: Side of the glimpse in pixels.
        cover: Share of a side that an upright glimpse covers.
    """

    def __init__(self, size: int, cover: float):
        if size < 1 or not 0 < cover <= 1:
            raise ValueError(
                f"a crop needs a size of at least 1 and a cover of at most 1, not {size}, {cover}"
            )
        self.size, self.cover = size, cover

    def fine(self, image: tuple[int, int, int]) -> tuple[int, int]:
        rows, columns = self.wide(image)
        return (rows, columns) if max(rows, columns) <= self.size else (0, 0)

    def wide(self, image: tuple[int, int, int]) -> tuple[int, int]:
        return round(self.cover * image[1]), round(self.cover * image[2])

    def look(self, view: Tensor, place: Tensor) -> Tensor:
        steps = torch.arange(self.size, device=view.device, dtype=view.dtype)
        offset = self.cover * ((2 * steps + 1) / self.size - 1)
        centre = (1 - self.cover) * place.to(view.dtype)
        x, y = (centre[:, :, None] + offset).unbind(1)
        along = [-1, self.size, self.size]
        grid = torch.stack([x[:, None].expand(along), y[:, :, None].expand(along)], -1)
        return F.grid_sample(view, grid, align_corners=False)


class Filterbank(Window):
    """The reader of DRAW (Gregor et al. 2015, arXiv:1502.04623): its width is read, too.

    A place is (x, y, log sigma^2, log stride, log gamma), the last three in units of `UNIT`, so
    that all five lie in [-1, 1]. sigma^2 is in square pixels; a stride of 1 spreads the G filters
    over the longer side of the image; gamma multiplies what is seen, and alone can leave [0, 1].
    Differentiable in all five. The paper bounds none of them, and counts places from the centres
    of the outer pixels. `at` gives filters of one pixel over the share `cover` of the longer side.

    (B, C, H, W) uint8, (B, 5) -> (B, C, size, size).

    Args:
        size: Side of the glimpse in pixels.
        cover: Share of a side that the first glimpse covers.
    """

    places = 5

    def __init__(self, size: int, cover: float = 0.4):
        if size < 1 or cover <= 0:
            raise ValueError("a filterbank needs positive size and cover")
        self.size, self.cover = size, cover

    def look(self, view: Tensor, place: Tensor) -> Tensor:
        place = place.to(view.dtype)
        variance, stride, gamma = (UNIT * place[:, 2:, None]).exp().unbind(1)
        stride = stride * (max(view.shape[-2:]) - 1) / max(1, self.size - 1)
        seen = _filtered(view, place, self.size, stride, variance)
        return gamma[..., None, None] * seen

    def at(self, point: Tensor) -> Tensor:
        rest = point.new_zeros(len(point), 3)
        rest[:, 1] = math.log(self.cover) / UNIT
        return torch.cat([point, rest], 1)


class Zoom(Filterbank):
    """A Gaussian window that chooses its width: places are (x, y, 1 + log width).

    Widths, from 0.14 to 1, are shares of the longer side of the image, which G filters divide
    between them; sigma is half of the distance between two, so that nothing falls through.
    Differentiable in all three.

    (B, C, H, W) uint8, (B, 3) -> (B, C, size, size).
    """

    places = 3

    def fine(self, image: tuple[int, int, int]) -> tuple[int, int]:
        narrowest = math.exp(-2) * max(image[1:])
        return (self.size, self.size) if narrowest <= self.size else (0, 0)

    def look(self, view: Tensor, place: Tensor) -> Tensor:
        place = place.to(view.dtype)
        stride = (place[:, 2:] - 1).exp() * (max(view.shape[-2:]) / self.size)
        return _filtered(view, place, self.size, stride, (stride / 2) ** 2)

    def at(self, point: Tensor) -> Tensor:
        width = point.new_full((len(point), 1), 1 + math.log(self.cover))
        return torch.cat([point, width], 1)


def _filtered(
    view: Tensor,
    place: Tensor,
    size: int,
    stride: Tensor | float,
    variance: Tensor | float,
) -> Tensor:
    """G x G Gaussian filters around (x, y), of stride and variance in pixels: numbers or (B, 1)."""

    def bank(along: Tensor, length: int) -> Tensor:
        steps = torch.arange(size, device=view.device, dtype=view.dtype) - (size - 1) / 2
        means = ((along + 1) * 0.5 * length)[:, None] + steps * stride
        pixel = torch.arange(length, device=view.device, dtype=view.dtype) + 0.5
        twice = 2 * variance[..., None] if isinstance(variance, Tensor) else 2 * variance
        return torch.softmax(-((pixel - means[..., None]) ** 2) / twice, -1)

    height, width = view.shape[-2:]
    rows, columns = bank(place[:, 1], height), bank(place[:, 0], width)
    return rows[:, None] @ view @ columns[:, None].transpose(-1, -2)
