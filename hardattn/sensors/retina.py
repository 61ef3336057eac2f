"""Concentric patches of pixels, as the recurrent attention model sees them; and the whole image."""

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from hardattn.sensors.windows import Points

# Above so many numbers an int32 index would wrap.
INT32_LIMIT = 2**31
# Of two equally near pixel edges the retina takes the right or lower one. An odd size meets such
# ties at every integer centre, where float32 would decide them at random: this, in pixels, is more
# than its rounding and less than anyone looks at.
TIE = 2.0**-10


class Pyramid(NamedTuple):
    """Sums over squares of 2**s pixels at every place where they touch the image, and one beside.

    Of scale s there are H + 2**s + 1 rows and W + 2**s + 1 columns, squares that start at pixel
    -2**s up to H or W; the outermost lie off the image and are 0. Scale after scale, flattened.

    Of a single scale it is the image, with G rows of 0 above, G + 1 below and G columns before:
    what reaches beyond the end of a row is in the blank that the next one starts with.
    """

    sums: Tensor  # (B, C, M), uint8 for one scale, else int16 or int32
    height: int
    width: int


class Retina(Points):
    """Concentric square patches, each twice as wide, averaged to G x G (Mnih et al. 2014).

    Patch s covers size * 2**s pixels a side and is reduced by averaging squares of 2**s pixels.
    Its left edge is the pixel edge nearest to centre - half its width, of two equally near ones
    the right one (its top likewise, the lower one). So at integer centres an even-sized retina is
    exact, and an odd-sized one has its finest patch half a pixel to the right and below. Not
    differentiable in the place: it copies pixels by index, from sums that are made once an episode.

    (B, C, H, W) uint8, (B, 2) -> (B, scales * C, size, size), scale by scale, finest first.

    Args:
        size: Side of the glimpse in pixels.
        scales: Concentric patches, each twice as wide.
    """

    everything = False
    differentiable = False

    def __init__(self, size: int, scales: int = 1):
        if size < 1 or scales < 1:
            raise ValueError(f"a retina needs size and scales of at least 1, not {size}, {scales}")
        self.size, self.scales = size, scales

    def shape(self, image: tuple[int, int, int]) -> tuple[int, ...]:
        return (self.scales * image[0], self.size, self.size)

    def pixels(self, image: tuple[int, int, int]) -> int:
        return self.scales * self.size**2

    def fine(self, image: tuple[int, int, int]) -> tuple[int, int]:
        return self.size, self.size

    def wide(self, image: tuple[int, int, int]) -> tuple[int, int]:
        side = self.size * 2 ** (self.scales - 1)
        return side, side

    def open(self, images: Tensor) -> Pyramid:
        height, width = images.shape[-2:]
        if self.scales == 1:
            whole = F.pad(images, (self.size, 0, self.size, self.size + 1))
            return Pyramid(whole.contiguous().flatten(2), height, width)
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
        batch, channels = view.sums.shape[:2]
        whole = torch.int64 if view.sums.numel() > INT32_LIMIT else torch.int32
        kind, image = torch.get_default_dtype(), (view.height, view.width)
        plan = _plan(self.size, self.scales, image, view.sums.shape, whole, kind, place.device)
        # float32, because half precision cannot name every pixel of a large image.
        at = place.float() if self.scales == 1 else place.float()[:, None, :, None]
        corner = torch.addcmul(plan.shift, at, plan.half).to(whole)
        # What starts further out than the outermost is as empty as they are.
        left, top = corner.clamp_(plan.near, plan.far).unbind(-1 if self.scales == 1 else 2)
        if self.scales == 1:
            index = plan.cells + torch.addcmul(left, top, plan.wide).view(batch, 1, 1)
        else:
            rows = torch.addcmul(plan.cells, top[:, :, None, :, None], plan.wide)
            index = rows + left[:, :, None, None, :]
        values = view.sums.view(-1).index_select(0, index.view(-1))
        if self.scales > 1:
            values = values.view(batch, self.scales, -1)
        shape = (batch, self.scales * channels, self.size, self.size)
        return (values * plan.weight).view(shape)

    def corners(self, place: Tensor, image: tuple[int, int]) -> Tensor:
        """(..., P) places, an image of (H, W) -> (..., scales, 2) int64: the pixel, (x, y), that
        each patch starts at, by the rule of `look`; it may lie outside the image.
        """
        half = torch.tensor([image[1], image[0]], dtype=torch.float32, device=place.device) / 2
        extent = self.size * 2.0 ** torch.arange(self.scales, device=place.device)[:, None]
        shift = half - extent / 2 + (0.5 + TIE)
        return torch.addcmul(shift, place[..., None, :2].float(), half).floor().long()


class _Plan(NamedTuple):
    """How a retina finds its pixels in sums of one shape.

    `place * half + shift`, within near and far, are the corners of all its squares, in rows of
    `wide`; of a single scale that of its only patch, from which `cells` are counted.
    """

    half: Tensor  # (2, 1) half of the image's width and height; of a single scale (2,)
    shift: Tensor  # (S, 2, G); (2,)
    near: Tensor  # (1,)
    far: Tensor  # (S, 2, 1); (2,)
    wide: Tensor  # (S, 1, 1, 1); ()
    cells: Tensor  # (B, S, C, 1, 1) where the sums of a scale begin; (B, C, G * G)
    weight: Tensor  # (S, 1); ()


@lru_cache(maxsize=16)
def _plan(
    size: int,
    scales: int,
    image: tuple[int, int],
    sums: tuple[int, int, int],
    whole: torch.dtype,
    kind: torch.dtype,
    device: torch.device,
) -> _Plan:
    height, width = image
    sides = torch.tensor([[width], [height]])
    grid, square = torch.arange(size), 2 ** torch.arange(scales)[:, None, None]
    first = torch.arange(sums[0] * sums[1]).view(-1, 1, sums[1], 1, 1) * sums[2]
    if scales == 1:
        # The patch is bounded as a whole, and the image blank for as far as it reaches.
        shift, far, wide = sides[:, 0] / 2 + size / 2, sides[:, 0] + size, sides[0, 0] + size
        cells = (first + grid[:, None] * wide + grid).view(sums[0], sums[1], -1)
    else:
        shift = sides / 2 + (grid + 1 - size / 2) * square
        far = sides + square
        wide, high = far[:, :1, :, None] + 1, far[:, 1:, :, None] + 1
        cells = first + (wide * high).cumsum(0) - wide * high
    near, half = torch.zeros(1), sides / 2 if scales > 1 else sides[:, 0] / 2
    near, far, wide, cells = (each.to(device, whole) for each in (near, far, wide, cells))
    weight = 1.0 / (255.0 * 4.0 ** torch.arange(scales, dtype=kind))[:, None]
    half, shift = (each.to(device, torch.float32) for each in (half, shift + (0.5 + TIE)))
    weight = weight.to(device)
    weight = weight if scales > 1 else weight.view(())
    return _Plan(half, shift, near, far, wide, cells, weight)


class Whole(Points):
    """The image itself, wherever one looks: (B, C, H, W) uint8, (B, P) -> (B, C, H, W)."""

    everything = True

    def shape(self, image: tuple[int, int, int]) -> tuple[int, ...]:
        return image

    def pixels(self, image: tuple[int, int, int]) -> int:
        return image[1] * image[2]

    def fine(self, image: tuple[int, int, int]) -> tuple[int, int]:
        return image[1], image[2]

    wide = fine

    def open(self, images: Tensor) -> Tensor:
        return images.to(torch.get_default_dtype()) / 255.0

    def look(self, view: Tensor, place: Tensor) -> Tensor:
        return view
