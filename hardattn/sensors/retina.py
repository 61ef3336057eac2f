"""Concentric patches of pixels, as the recurrent attention model sees them; and the whole image."""

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from hardattn.scenes.altered import Unpainted
from hardattn.scenes.sprites import INT32_LIMIT, LARGE, Sprites
from hardattn.sensors.windows import Points

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
    differentiable in the place: it copies pixels by index, from sums that are made once an episode;
    of a large image, or sprites, from a window that is cut at each look. Both see the same numbers.

    (B, C, H, W) uint8, or sprites, (B, 2) -> (B, scales * C, size, size), the finest scale first.

    Args:
        size: Side of the glimpse in pixels.
        scales: Concentric patches, each twice as wide.
    """

    everything = False
    differentiable = False
    by_windows = True

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

    def open(self, images: Tensor | Unpainted) -> Pyramid | Unpainted:
        if not isinstance(images, Tensor):
            return images
        height, width = images.shape[-2:]
        if height * width > LARGE:
            return Sprites.of(images)
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

    def look(self, view: Pyramid | Unpainted, place: Tensor) -> Tensor:
        if not isinstance(view, Pyramid):
            return self._cut(view, place)
        batch, channels = view.sums.shape[:2]
        whole = torch.int64 if view.sums.numel() > INT32_LIMIT else torch.int32
        kind, image = torch.get_default_dtype(), (view.height, view.width)
        plan = _plan(self.size, self.scales, image, view.sums.shape, whole, kind, place.device)
        corner = _aimed(plan.aim, place)
        # What starts further out than the outermost is as empty as they are.
        if self.scales == 1:
            left, top = corner.to(whole).clamp(plan.near, plan.far).unbind(-1)
            index = plan.cells + torch.addcmul(left, top, plan.wide).view(batch, 1, 1)
        else:
            squares = corner.to(whole)[..., None] + plan.squares
            left, top = squares.clamp(plan.near, plan.far).unbind(2)
            rows = torch.addcmul(plan.cells, top[:, :, None, :, None], plan.wide)
            index = rows + left[:, :, None, None, :]
        values = view.sums.view(-1).index_select(0, index.view(-1))
        if self.scales > 1:
            values = values.view(batch, self.scales, -1)
        shape = (batch, self.scales * channels, self.size, self.size)
        return (values * plan.weight).view(shape)

    def _cut(self, view: Unpainted, place: Tensor) -> Tensor:
        """A look by windows: the widest patch, and those that lie in its middle."""
        kind = torch.get_default_dtype()
        if view.extent is not None:  # each of a size of its own
            aim = _aim_within(self.size, self.scales, view.extent[:, None])
        else:
            aim = _aim(self.size, self.scales, view.shape[2:], place.device)
        corner = _aimed(aim, place).to(torch.int32).view(len(place), self.scales, 2)
        corner = (corner + aim.first).clamp(aim.near, aim.far)
        window = view.patches(corner[:, -1], self.size << self.scales - 1)
        whole = _halved(window, self.scales) if self.size % 2 == 0 else None
        patches = []
        for scale in range(self.scales):
            side = self.size << scale
            if whole is not None:  # of even sides, so that squares of all scales lie on each other
                patch = _middle(whole[scale], self.size)
            elif scale == 0 < self.scales - 1:
                # It lies on whole pixels, where the others, of even sides, lie between two.
                patch = view.patches(corner[:, 0], side)
            else:
                patch = _middle(window, side)
                if scale:
                    patch = patch.unflatten(2, (self.size, -1)).sum(3, dtype=torch.int32)
                    patch = patch.unflatten(3, (self.size, -1)).sum(4)
            patches.append(patch * _weights(self.scales, kind, place.device)[scale])
        return torch.cat(patches, 1) if self.scales > 1 else patches[0]

    def corners(self, place: Tensor, image: tuple[int, int]) -> Tensor:
        """(..., P) places, an image of (H, W) -> (..., scales, 2) int64: the pixel, (x, y), that
        each patch starts at, by the rule of `look`; it may lie outside the image.
        """
        aim = _aim(self.size, self.scales, image, place.device)
        aimed = _aimed(aim, place[..., :2]).floor().long()
        return aimed.view(*place.shape[:-1], self.scales, 2) + aim.first


def _halved(window: Tensor, scales: int) -> list[Tensor]:
    """The window, and its sums over squares of 2, 4, ... pixels, side by side: of each scale."""
    # 4**s pixels of at most 255 each: int16 holds them up to scale 3.
    sums = torch.int16 if scales <= 4 else torch.int32
    levels = [window]
    for _ in range(1, scales):
        level = levels[-1].to(sums)
        level = level[..., ::2, :] + level[..., 1::2, :]
        levels.append(level[..., ::2] + level[..., 1::2])
    return levels


def _middle(level: Tensor, side: int) -> Tensor:
    """(..., H, H) -> (..., side, side)."""
    margin = (level.shape[-1] - side) // 2
    return level[..., margin : margin + side, margin : margin + side]


class _Aim(NamedTuple):
    """Where patches of an image lie: they start at `first` from floor(place * half + shift).

    Of images of one size; if each has its own, B of them stand before half, shift and far.

    Patches of even sides all start at the same edge of pixels, less half of their side. `near` and
    `far` are how far out a patch can start and still see nothing.
    """

    half: Tensor  # (2,) half of the image's width and height
    shift: Tensor  # (2,) of a single scale, else (S, 2)
    first: Tensor  # (S, 1) int32
    near: Tensor  # (S, 1) int32
    far: Tensor  # (2,) int32


@lru_cache(maxsize=16)
def _aim(size: int, scales: int, image: tuple[int, int], device: torch.device) -> _Aim:
    aim = _aim_within(size, scales, torch.tensor([image[1], image[0]]))
    return _Aim(*(part.to(device) for part in aim))


def _aim_within(size: int, scales: int, extent: Tensor) -> _Aim:
    """extent: (2,) width and height; (B, 1, 2) of images that each have their own."""
    half = extent.float() / 2
    side = size * 2 ** torch.arange(scales, dtype=torch.int32, device=extent.device)[:, None]
    if scales == 1:  # counted from where the blank around the image begins
        half = half.squeeze(-2) if half.dim() > 1 else half
        first, shift = -side, half + size / 2
    else:
        first, shift = -(side // 2), half - (side % 2) / 2
    return _Aim(half, shift + (0.5 + TIE), first, -side, extent.int())


def _aimed(aim: _Aim, place: Tensor) -> Tensor:
    """(..., 2) places -> (..., S, 2) float32, without S of a single scale: where patches lie."""
    # float32, because half precision cannot name every pixel of a large image.
    at = place.float()
    if len(aim.first) == 1:
        return torch.addcmul(aim.shift, at, aim.half)
    return torch.addcmul(aim.shift, at[..., None, :], aim.half).floor()


@lru_cache(maxsize=16)
def _weights(scales: int, kind: torch.dtype, device: torch.device) -> Tensor:
    """(S,): what a sum of uint8 over the squares of each scale is multiplied by."""
    return (1.0 / (255.0 * 4.0 ** torch.arange(scales, dtype=kind))).to(device)


class _Plan(NamedTuple):
    """How a retina finds its pixels in sums of one shape.

    The corners of all its squares lie at `squares` from where `aim` says, within near and far, in
    rows of `wide`; of a single scale that of its only patch, from which `cells` are counted.
    """

    aim: _Aim
    squares: Tensor  # (S, 1, G); not of a single scale
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
    aim = _aim(size, scales, image, device)
    # Squares are counted from those that end where the image begins.
    squares = (grid + 1) * square - size * square // 2
    first = torch.arange(sums[0] * sums[1]).view(-1, 1, sums[1], 1, 1) * sums[2]
    if scales == 1:
        # The patch is bounded as a whole, and the image blank for as far as it reaches.
        far, wide = sides[:, 0] + size, sides[0, 0] + size
        cells = (first + grid[:, None] * wide + grid).view(sums[0], sums[1], -1)
    else:
        far = sides + square
        wide, high = far[:, :1, :, None] + 1, far[:, 1:, :, None] + 1
        cells = first + (wide * high).cumsum(0) - wide * high
    near = torch.zeros(1)
    squares, near, far, wide, cells = (
        each.to(device, whole) for each in (squares, near, far, wide, cells)
    )
    weight = _weights(scales, kind, device)
    weight = weight[:, None] if scales > 1 else weight.view(())
    return _Plan(aim, squares, near, far, wide, cells, weight)


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
